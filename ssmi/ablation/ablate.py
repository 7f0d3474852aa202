"""A complete ablation: build missing features, train the runs that are not finished, write the table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssmi.ablation import variants
from ssmi.ablation.jobs.job import remove_leftovers
from ssmi.ablation.outputs import Command, write_table
from ssmi.ablation.progress import Progress
from ssmi.ablation.runs import Ablation, PlannedRun, PreparedRow
from ssmi.ablation.schedule import Schedule
from ssmi.ablation.table import Table
from ssmi.configurations import Configuration, select
from ssmi.features import build_lock
from ssmi.model.network.requirements import check_buildable, check_parameters
from ssmi.model.training import adversarial
from ssmi.pipeline.contract.errors import DivergedError, ParameterError, SsmiError
from ssmi.pipeline.contract.parameters.limits import MAX_REPEATS
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.text.wording import counted, is_or_are
from ssmi.pipeline.executor import open_executor
from ssmi.pipeline.stages.corpora.names import check_not_a_corpus_name
from ssmi.workspace import Workspace

_OF_THE_TABLE = ("seed", "folds", "fold")
"""Keys of ``train`` that each run of a table sets itself, whatever its row says."""


@dataclass(frozen=True, slots=True)
class AblationRequest:
    """Arguments of an ablation.

    Attributes:
        only: Names of configurations; if empty, all configurations, or none of them if there are variants.
        variants: The caller's own configurations.
        n_seeds: Number of runs per configuration, with the seed ``train.seed`` and the numbers after it.
        n_folds: Number of folds into which train and dev are divided; None scores dev, and test if ``train.test``.
        n_jobs: Number of runs at once; 0 for one per GPU, or one per physical core without a GPU.
        keep_checkpoints: Whether to keep the weights of finished runs; None keeps them unless there are folds.
        dry_run: Whether to stop after reporting the expected duration.
        overrides: Parameter changes for all rows.
        device: Device to compute on; None for that of ``train.device``.

    """

    only: tuple[str, ...] = ()
    variants: tuple[Configuration, ...] = ()
    n_seeds: int = 3
    n_folds: int | None = None
    n_jobs: int = 1
    keep_checkpoints: bool | None = None
    dry_run: bool = False
    overrides: tuple[str, ...] = ()
    device: str | None = None

    def __post_init__(self) -> None:
        """Raise ParameterError for numbers of seeds, folds or jobs that are out of range."""
        _check_repeats("n_seeds", self.n_seeds, least=1)
        if self.n_folds is not None:
            _check_repeats("folds", self.n_folds, least=2)
        if self.n_jobs < 0:
            raise ParameterError(f"jobs {self.n_jobs}: below 0", next_step="give 1 or more, or 0 for as many as fit")

    def params(self, workspace: Workspace) -> Params:
        """Return the parameters before any configuration; with folds, the last epoch counts unless overridden."""
        if self.n_folds is None:
            params = workspace.params(self.overrides, device=self.device)
            if params.train.folds is not None:
                raise ParameterError(
                    f"train.folds is {params.train.folds}, but a table has no runs of a single fold",
                    next_step="take train.folds and train.fold out; ablate runs all folds if it is given their number",
                )
            return params
        # Fold 1 is a placeholder: each run sets its own fold (PlannedRun.params).
        before = (f"train.folds={self.n_folds}", "train.fold=1", "train.test=false", "train.select=last")
        params = workspace.params((*before, *self.overrides), device=self.device)
        if params.train.folds != self.n_folds:
            raise ParameterError(
                f"train.folds is {params.train.folds}, of {self.n_folds} folds", next_step="leave train.folds out"
            )
        return params

    def chosen(self) -> list[Configuration]:
        """Return the configurations to run, in the table's order."""
        built_in = select(self.only) if self.only or not self.variants else []
        return [*built_in, *self.variants]


@dataclass(frozen=True, slots=True)
class AblationResult:
    """Result of an ablation.

    Attributes:
        folder: The folder with ``table.json``, ``table.md``, the pictures and the runs.
        table: The table; None if no run has finished, and for a dry run.
        diverged: One line per run whose loss was not finite.
        failed: One line per run that failed for another reason; only for runs in processes of their own.

    """

    folder: Path
    table: Table | None
    diverged: tuple[str, ...]
    failed: tuple[str, ...] = ()

    def raise_if_diverged(self) -> None:
        """Raise SsmiError if a run failed, or DivergedError if runs only diverged."""
        lines = (*self.diverged, *self.failed)
        if lines:
            kind = SsmiError if self.failed else DivergedError
            raise kind(
                f"{counted(len(lines), 'run')} failed: {'; '.join(lines)}",
                next_step="see the logs beside the run folders"
                if self.failed
                else "lower the learning rates of train with -S",
            )


def ablate(workspace: Workspace, dataset: str | None, request: AblationRequest) -> AblationResult:
    """Train configurations over seeds, and folds, and write one table; see ``Project.ablate``."""
    # torchrun sets WORLD_SIZE to the number of its processes.
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ParameterError("ablate trains in one process", next_step="start it without torchrun")
    params = request.params(workspace)
    every, chosen = variants.named(request.variants), request.chosen()
    keep = request.n_folds is None if request.keep_checkpoints is None else request.keep_checkpoints
    ablation = Ablation(workspace, workspace.dataset(dataset, params=params), params, every, request.n_folds, keep)
    # Check all rows before anything is built or trained.
    for configuration in chosen:
        _check_row(configuration, params)
    folder = workspace.paths.ablation(ablation.dataset)
    with locked(
        workspace.paths.lock_of(folder), what=f"the runs of {folder} are being trained", reporter=workspace.reporter
    ):
        rows = _prepare(ablation, chosen)
        for configuration in chosen:  # again, with what only the shards reveal
            check_buildable(rows[configuration.name].params.model, rows[configuration.name].shards)
        work = _Work(ablation, rows, request, chosen)
        work.look_up()
        # The features are built even for a dry run, which measures the speed of training on the shards.
        if request.dry_run:
            work.schedule().expect()
            return AblationResult(ablation.folder, None, ())
        return work.run()


def _check_repeats(name: str, number: int, *, least: int) -> None:
    """Raise ParameterError for a number of seeds or folds out of range, in the words of the command line."""
    if not least <= number <= MAX_REPEATS:
        raise ParameterError(
            f"{name}: {number} is not in the range {least}<=x<={MAX_REPEATS}",
            next_step=f"give {least} to {MAX_REPEATS:,}",
        )


def _check_row(configuration: Configuration, params: Params) -> None:
    """Check a row's parameters as far as they do not depend on shards; ``params`` are those of the whole table."""
    row = configuration.apply(params)
    check_parameters(row.model)
    adversarial.check_parameters(row)
    for key in _OF_THE_TABLE:
        if getattr(row.train, key) != getattr(params.train, key):
            raise ParameterError(
                f"variant {configuration.name}: train.{key} is the same in all rows of a table",
                next_step=f"take train.{key} out of the variant; seeds and folds are chosen for the whole table",
            )


def _prepare(ablation: Ablation, chosen: Sequence[Configuration]) -> dict[str, PreparedRow]:
    """Build the features of the chosen rows; return these and rows of earlier calls with current features, by name."""
    check_not_a_corpus_name(ablation.dataset, paths=ablation.workspace.paths, remote=ablation.workspace.remote)
    with build_lock(ablation.workspace), open_executor(workers=0, scheduler=None) as executor:
        ablation.build_features(executor)
        rows = {
            name: ablation.prepare(each, executor, build=each in chosen)
            for name, each in ablation.configurations.items()
            if each in chosen or ablation.has_runs(each)
        }
    return {name: row for name, row in rows.items() if row is not None}


@dataclass(slots=True)
class _Work:
    """An ablation in progress."""

    ablation: Ablation
    rows: dict[str, PreparedRow]
    request: AblationRequest
    chosen: Sequence[Configuration]
    progress: Progress = field(init=False)
    missing: list[PlannedRun] = field(default_factory=list)
    finished: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        first = self.ablation.params.train.seed
        seeds = range(first, first + self.request.n_seeds)
        self.progress = Progress(list(self.rows), seeds, self.ablation.folds)

    def look_up(self) -> None:
        """Find the finished runs and list the missing ones.

        The missing runs are ordered by seed, then fold, then row, so that rows can be compared early.
        """
        progress, names = self.progress, [each.name for each in self.chosen]
        for seed in progress.seeds:
            for fold in progress.folds:
                for name, row in self.rows.items():
                    run = PlannedRun(row, seed, fold)
                    if found := self.ablation.find(run):
                        progress.add(name, fold, found)
                        self.finished.append(self.ablation.run_folder(run))
                    elif name in names:
                        self.missing.append(run)
        n_chosen = len(names) * len(progress.seeds) * len(progress.folds)
        if len(self.missing) < n_chosen:
            done = n_chosen - len(self.missing)
            self.ablation.workspace.reporter.note(
                f"{done} of {counted(n_chosen, 'run')} {is_or_are(n_chosen)} already finished"
            )

    def schedule(self) -> Schedule:
        """Return the schedule of the missing runs."""
        n_all = len(self.chosen) * len(self.progress.seeds) * len(self.progress.folds)
        return Schedule(self.ablation, self.missing, n_all=n_all, n_jobs=self.request.n_jobs)

    def run(self) -> AblationResult:
        """Train the missing runs, and write the table after each run."""
        for folder in self.finished:
            remove_leftovers(folder)
        schedule = self.schedule()
        # Before the first run, so that the runs of earlier calls are in a table even if all of these fail.
        table = self._write() if self.progress else None

        def finished(run: PlannedRun) -> float:
            nonlocal table
            name, found = run.row.configuration.name, self.ablation.find(run)
            assert found is not None
            self.progress.add(name, run.fold, found)
            table = self._write()
            return self.progress.f1(name, run.seed)

        def gave_up(run: PlannedRun) -> None:
            self.progress.give_up(run.row.configuration.name, run.seed)

        schedule.run(finished, gave_up)
        return AblationResult(self.ablation.folder, table, tuple(schedule.diverged), tuple(schedule.failed))

    def _write(self) -> Table:
        request = self.request
        command = Command(self.ablation.dataset, request.overrides, request.n_seeds, request.n_folds)
        return write_table(self.ablation, self.rows, self.progress, command)

"""The runs of an ablation: the shards of each configuration, the run folders, the finished runs, and pending jobs.

Everything is below ``artifacts/ablate/DATASET``. ``runs/CONFIGURATION/SETTINGS/SEED`` are run folders as ``ssmi-cli
train`` writes them (for SETTINGS see ``ssmi.ablation.settings``). ``features/CONFIGURATION/STAGE/DATASET`` are the
stages of a configuration that changes features, shared with later configurations that make the same changes. With N
folds, the run folders are ``folds-N/runs/CONFIGURATION/SETTINGS/SEED/FOLD``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ssmi import training
from ssmi.ablation import settings
from ssmi.ablation.jobs.job import Job, read_run_metadata
from ssmi.ablation.settings import Description
from ssmi.ablation.table import FinishedRun, OtherSettings
from ssmi.configurations import Configuration, first_with_features_of
from ssmi.dvc import commands
from ssmi.model.data.shards import Shards, characters_of, open_shards
from ssmi.model.runs import state as states
from ssmi.model.runs.files import HISTORY, METRICS
from ssmi.model.runs.fingerprint import Fingerprint, fingerprint_of
from ssmi.model.runs.results import counts_file, metrics_file
from ssmi.model.runs.results import history as histories
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.executor import Executor
from ssmi.pipeline.stages.running import registry
from ssmi.pipeline.stages.running.stage import StageContext, Variant
from ssmi.pipeline.stages.running.up_to_date import is_current
from ssmi.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PreparedRow:
    """A configuration whose shards are built, so that it can be trained and its finished runs can be found."""

    configuration: Configuration
    params: Params
    """The parameters with the configuration's changes; each run sets its own seed and, with folds, its fold."""
    shards: Shards

    def tagged_characters(self, trained: int) -> int:
        """Return about how many characters are tagged after an epoch that trains on ``trained`` characters."""
        if self.params.train.folds is not None:
            return trained // (self.params.train.folds - 1)
        return sum(map(len, characters_of(self.shards, "dev")))

    @property
    def settings(self) -> str:
        """The name of the settings that its runs have in common."""
        return settings.name_of(fingerprint_of(self.params, shards=self.shards))

    def describe(self) -> Description:
        """Return the settings that its runs have in common in full, the content of ``params.json``."""
        return settings.describe(self.params, fingerprint_of(self.params, shards=self.shards))


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run to train: a row of the table, a seed and, with folds, the fold that serves as dev."""

    row: PreparedRow
    seed: int
    fold: int | None

    @property
    def name(self) -> str:
        """The name of the run in messages."""
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.row.configuration.name}, seed {self.seed}{fold}"

    @property
    def params(self) -> Params:
        """The parameters of the run."""
        train = self.row.params.train.model_copy(update={"seed": self.seed, "fold": self.fold})
        return self.row.params.model_copy(update={"train": train})

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of what the run is made from."""
        return fingerprint_of(self.params, shards=self.row.shards)


@dataclass(frozen=True, slots=True)
class Ablation:
    """The project, data set and parameters from which the rows of one table are made.

    Attributes:
        workspace: The project.
        dataset: The data set.
        params: The parameters before the changes of a configuration.
        configurations: All configurations by name, in the table's order.
        n_folds: Number of folds into which train and dev are divided; None for the splits of the data set.
        keep_checkpoints: Whether to keep the weights of finished runs.

    """

    workspace: Workspace
    dataset: str
    params: Params
    configurations: Mapping[str, Configuration]
    n_folds: int | None = None
    keep_checkpoints: bool = True
    _opened: dict[Path, Shards] = field(default_factory=dict, repr=False)
    """Opened shards by folder, as most rows train on the same shards."""

    @property
    def folder(self) -> Path:
        """The folder of the table and the runs."""
        return self.workspace.paths.ablation(self.dataset, n_folds=self.n_folds)

    @property
    def runs(self) -> Path:
        """The folder of the runs of all configurations."""
        return self.folder / "runs"

    @property
    def folds(self) -> tuple[int | None, ...]:
        """The folds of every row and seed; a single None without folds."""
        return (None,) if self.n_folds is None else tuple(range(1, self.n_folds + 1))

    def run_folder(self, run: PlannedRun) -> Path:
        """Return the run folder of a run."""
        folder = self.runs / run.row.configuration.name / run.row.settings / str(run.seed)
        return folder if run.fold is None else folder / str(run.fold)

    def has_runs(self, configuration: Configuration) -> bool:
        """Return whether a configuration has a folder of runs."""
        return (self.runs / configuration.name).is_dir()

    def others(self, rows: Mapping[str, PreparedRow]) -> list[OtherSettings]:
        """Return the finished runs of all configurations whose settings are not those of ``rows``."""
        others: list[OtherSettings] = []
        for name, configuration in self.configurations.items():
            row = rows.get(name)
            if row is not None:
                present, now = row.settings, row.describe()
            else:  # its features are not current, so none of its runs has the present settings
                present, now = "", settings.describe(configuration.apply(self.params), None)
            others += settings.others(self.runs, configuration=name, present=present, now=now, n_folds=self.n_folds)
        return others

    def build_features(self, executor: Executor) -> None:
        """Build the stages that are not current, as ``features build`` does, including the exchange with storage.

        Stages that configurations change are built by ``prepare``, and kept on this machine only.
        """
        workspace, remote = self.workspace, self.workspace.remote
        if remote is not None:
            remote.check(for_workers=False)
        context = StageContext(workspace.root, self.dataset, self.params, executor, workspace.reporter, remote=remote)
        built = list(registry.build(context, force=False))
        if any(one.ran for one in built):
            # If overrides change training only, the features are those of params.yaml, which DVC may record.
            plain = self.workspace.params()
            sections = {section for one in built for section in one.stage.sections}
            overridden = any(self.params.section(name) != plain.section(name) for name in sections)
            commands.record(self.workspace, self.dataset, [one.stage.name for one in built], overridden=overridden)

    def prepare(self, configuration: Configuration, executor: Executor, *, build: bool) -> PreparedRow | None:
        """Return a row with its shards; without ``build``, return None if they would have to be built first."""
        context = self._context(configuration, executor)
        if context.variant is not None:
            if build:
                list(registry.build(context, force=False))
            elif not all(is_current(stage, context) for stage in registry.stages_of(context)):
                return None
        folder = context.folder("shards")
        if folder not in self._opened:
            self._opened[folder] = open_shards(folder)
        return PreparedRow(configuration, context.params, self._opened[folder])

    def _context(self, configuration: Configuration, executor: Executor) -> StageContext:
        """Return the context of a configuration's features; stages affected by its changes have their own folders."""
        sections = configuration.changed_sections(self.params)
        stages = registry.affected(sections) if sections else frozenset[str]()
        features = self.workspace.paths.ablation_features(self.dataset, first_with_features_of(configuration).name)
        variant = Variant(configuration.name, features, stages)
        return StageContext(
            self.workspace.root,
            self.dataset,
            configuration.apply(self.params),
            executor,
            self.workspace.reporter,
            variant if stages else None,
        )

    def find(self, run: PlannedRun) -> FinishedRun | None:
        """Return the finished run with exactly these parameters and shards, or None."""
        folder = self.run_folder(run)
        if not all((folder / name).is_file() for name in (METRICS, HISTORY)) or self._differences(run):
            return None
        dev_f1 = [epoch.dev_f1 for epoch in histories.read(folder / HISTORY)]
        metrics = metrics_file.read(folder)
        counted = {split: one for split in metrics.by_split if (one := counts_file.read(folder, split)) is not None}
        return FinishedRun(run.seed, read_run_metadata(folder).best_epoch, metrics, dev_f1, counted)

    def _differences(self, run: PlannedRun) -> list[str]:
        """Return the differences between a finished run and the planned one."""
        try:
            then = read_run_metadata(self.run_folder(run)).fingerprint
        except SsmiError as error:
            return [error.message]
        return then.differences(run.fingerprint, run="the finished run")

    def job(self, run: PlannedRun) -> Job:
        """Return the job that trains a run from its start."""
        folder, shards = self.run_folder(run), run.row.shards.folder
        encoder = training.check_shards(self.workspace, run.params, shards=shards, dataset=self.dataset)
        return Job(
            self.workspace.root,
            shards,
            encoder,
            folder,
            run.params,
            keep_checkpoint=self.keep_checkpoints,
            shards_digest=run.row.shards.digest,
        )

    def prepare_run_folder(self, run: PlannedRun) -> tuple[bool, str]:
        """Prepare the run folder; return whether to resume the run in it, and a remark for the progress message."""
        resume, state = self._resumable(run)
        if not resume:
            states.remove(self.run_folder(run))
        settings.write(self.runs / run.row.configuration.name / run.row.settings, run.row.describe())
        return resume, state

    def _resumable(self, run: PlannedRun) -> tuple[bool, str]:
        """Return whether an unfinished run can be resumed, and a remark about the present content of its folder."""
        folder = self.run_folder(run)
        try:
            unfinished = states.find(folder)
            differing = unfinished.differences(run.params, run.row.shards) if unfinished else []
        except SsmiError as error:
            return False, f": retraining because {error.message}"
        if unfinished and not differing:
            return True, ""
        if (folder / METRICS).is_file():
            differing = self._differences(run)
        return False, f": retraining because {'; '.join(differing)}" if differing else ""

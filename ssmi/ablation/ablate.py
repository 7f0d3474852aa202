"""An ablation from start to end: build what is missing, train the runs that are not finished, write the table."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.ablation.plot import plot_curves, plot_scores
from ssmi.ablation.render import markdown
from ssmi.ablation.runs import Ablation, PreparedRow
from ssmi.ablation.table import FinishedRun, Setting, Table, make_table
from ssmi.configurations import CONFIGURATIONS, Configuration, choose
from ssmi.model.network.requirements import check_parameters
from ssmi.pipeline.contract.errors import DivergedError, ParameterError
from ssmi.pipeline.contract.parameters.params import override_list
from ssmi.pipeline.contract.tables import writing
from ssmi.pipeline.executor import open_executor
from ssmi.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AblationResult:
    """What an ablation came to.

    Attributes:
        folder: Holds ``table.json``, ``table.md``, the pictures and the runs.
        table: The table; None where no run has ever finished.
        diverged: A line for each run whose loss stopped being a number.

    """

    folder: Path
    table: Table | None
    diverged: tuple[str, ...]

    def raise_if_diverged(self) -> None:
        """Raise DivergedError where a run diverged."""
        if self.diverged:
            raise DivergedError(
                f"{len(self.diverged)} runs failed: {'; '.join(self.diverged)}",
                next_step="lower the learning rates of train with -S",
            )


def ablate(
    workspace: Workspace,
    dataset: str | None,
    *,
    only: Iterable[str],
    n_seeds: int,
    overrides: Iterable[str],
    device: str | None,
) -> AblationResult:
    """Train configurations over seeds, and write one table; see ``Project.ablate``."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ParameterError("ablate trains in one process", next_step="start it without torchrun")
    if n_seeds < 1:
        raise ParameterError(f"n_seeds {n_seeds}: at least one run of each is needed", next_step="give 1 or more")
    overrides = override_list(overrides)
    params = workspace.params(overrides, device=device)
    ablation = Ablation(workspace, dataset or params.datasets[0], params)
    seeds = range(params.train.seed, params.train.seed + n_seeds)
    chosen = choose(only)
    for configuration in chosen:
        check_parameters(configuration.apply(params).model)
    table, diverged = _run(ablation, chosen, seeds, overrides)
    return AblationResult(ablation.folder, table, tuple(diverged))


def _run(
    ablation: Ablation, chosen: Sequence[Configuration], seeds: Sequence[int], overrides: Sequence[str]
) -> tuple[Table | None, list[str]]:
    """Train the runs that are missing, seed by seed, so that a whole table with few seeds is there early.

    Returns the table, None where no run has ever finished, and a line for each run that diverged.
    """
    rows = _prepare(ablation, chosen)
    runs = {name: {seed: run for seed in seeds if (run := ablation.find(row, seed))} for name, row in rows.items()}
    missing = [(rows[each.name], seed) for seed in seeds for each in chosen if seed not in runs[each.name]]
    n_chosen = len(chosen) * len(seeds)
    if len(missing) < n_chosen:
        ablation.workspace.reporter.note(f"{n_chosen - len(missing)} of {n_chosen} runs are finished already")
    table = _write(ablation, seeds, overrides, rows, runs) if any(runs.values()) else None
    diverged = []
    for number, (row, seed) in enumerate(missing, start=n_chosen - len(missing) + 1):
        try:
            ablation.train(row, seed, count=f"[{number}/{n_chosen}]")
        except DivergedError as error:
            diverged.append(f"{row.configuration.name}, seed {seed}: {error.message}")
            ablation.workspace.reporter.note(f"failed: {error.message}; on to the next run")
            continue
        run = ablation.find(row, seed)
        assert run is not None
        runs[row.configuration.name][seed] = run
        table = _write(ablation, seeds, overrides, rows, runs)
    return table, diverged


def _prepare(ablation: Ablation, chosen: Sequence[Configuration]) -> dict[str, PreparedRow]:
    """The chosen rows, their features built, and those of earlier calls whose features are current; by name."""
    with open_executor(workers=0, scheduler=None) as executor:
        ablation.build_features(executor)
        rows = {
            name: ablation.prepare(each, executor, build=each in chosen)
            for name, each in CONFIGURATIONS.items()
            if each in chosen or ablation.has_runs(each)
        }
    return {name: row for name, row in rows.items() if row is not None}


def _write(
    ablation: Ablation,
    seeds: Sequence[int],
    overrides: Sequence[str],
    rows: Mapping[str, PreparedRow],
    runs: Mapping[str, Mapping[int, FinishedRun]],
) -> Table:
    """Write the table of what is finished so far."""
    finished = {name: [by_seed[seed] for seed in seeds if seed in by_seed] for name, by_seed in runs.items() if by_seed}
    encoder = ablation.params.section("encoder") | {
        "digest": next(iter(rows.values())).shards.statistics.encoder_digest
    }
    command = _command(ablation.dataset, list(finished), n_seeds=len(seeds), overrides=overrides)
    parameters = ablation.params.model_dump(mode="json", exclude={"datasets"})
    table = make_table(Setting(ablation.dataset, encoder, seeds, parameters, command), finished, ablation.others(rows))
    ablation.folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    for title, name, plot in (("F1 by row", "f1.svg", plot_scores), ("Dev F1 by epoch", "curves.svg", plot_curves)):
        if plot(table, ablation.folder / name):
            figures[title] = name
    texts = {
        "table.json": json.dumps(table.to_json(), ensure_ascii=False, indent=1) + "\n",
        "table.md": markdown(table, figures=figures),
    }
    for name, text in texts.items():
        with writing(ablation.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table


def _command(dataset: str, names: Sequence[str], *, n_seeds: int, overrides: Sequence[str]) -> str:
    """The command that makes a table with these rows where there is none yet."""
    only = [] if set(names) == set(CONFIGURATIONS) else ["--only", ",".join(names)]
    changes = [word for override in overrides for word in ("-S", override)]
    return shlex.join(["ssmi-cli", "ablate", "--dataset", dataset, *only, "--seeds", str(n_seeds), *changes])

"""``ssmi-cli ablate``: train the paper's configurations over several seeds, and make one table of them."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ssmi.cli import completion
from ssmi.cli.options import dataset_option, device_option, device_override, json_option, override_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.ablation.runs import Ablation, Row
    from ssmi.ablation.table import Run, Table
    from ssmi.configurations import Configuration


def _configurations(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[Configuration, ...]:
    from ssmi.configurations import CONFIGURATIONS, find

    names = {name.strip() for text in value for name in text.split(",")} or set(CONFIGURATIONS)
    wanted = {find(name).name for name in sorted(names)}
    return tuple(configuration for name, configuration in CONFIGURATIONS.items() if name in wanted)


@click.command()
@dataset_option
@click.option(
    "--only",
    "chosen",
    multiple=True,
    metavar="NAME[,NAME...]",
    shell_complete=completion.configurations,
    callback=_configurations,
    help="Run only these configurations.  [default: all of --list]",
)
@click.option(
    "--seeds", "n_seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs each: train.seed, +1 ..."
)
@override_option
@device_option
@click.option("--list", "list_only", is_flag=True, help="List the configurations and stop.")
@json_option
@click.pass_context
def ablate(
    context: click.Context,
    dataset: str | None,
    chosen: tuple[Configuration, ...],
    n_seeds: int,
    overrides: tuple[str, ...],
    device: str | None,
    list_only: bool,
    as_json: bool,
) -> None:
    """Train configurations of the network over seeds, and write one table.

    Finished runs are kept and unfinished ones gone on with, so the same command goes on after Ctrl-C. The table in
    artifacts/ablate/DATASET also has the rows that an earlier call made from the same parameters, and below them it
    lists finished runs of other parameters. Gains come with the interval that `ssmi-cli compare` gives.
    """
    from ssmi.cli.tables import print_table

    if list_only and as_json:
        listed = [{"name": each.name, "row": each.title, "what": each.summary} for each in chosen]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
        return
    if list_only:
        print_table(("name", "row", "what"), [(each.name, each.title, each.summary) for each in chosen])
        return
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise click.UsageError("ablate trains in one process: start it without torchrun")
    from ssmi.ablation.runs import Ablation
    from ssmi.ablation.table import cells, note, other_cells
    from ssmi.cli.main import INTERRUPTED
    from ssmi.model.network.network import check_parameters
    from ssmi.model.training.interrupts import Interrupted
    from ssmi.pipeline.contract.errors import DivergedError

    session: Session = context.obj
    params = session.params([*overrides, *device_override(device)])
    ablation = Ablation(session.project, dataset or params.datasets[0], params)
    seeds = range(params.train.seed, params.train.seed + n_seeds)
    for configuration in chosen:
        check_parameters(configuration.apply(params).model)
    try:
        table, diverged = _run(ablation, chosen, seeds, overrides)
    except Interrupted as interrupted:
        click.echo(f"interrupted: {interrupted.message}\n  next: the same command", err=True)
        context.exit(INTERRUPTED)
    if as_json and table:
        click.echo(json.dumps(table, ensure_ascii=False, indent=1))
    elif table:
        print_table(*cells(table))
        if table["other_settings"]:
            click.echo("other settings")
            print_table(*other_cells(table))
        click.echo(f"{note(table)}\n{ablation.folder}")
    if diverged:
        raise DivergedError(
            f"{len(diverged)} runs failed: {'; '.join(diverged)}", next_step="lower the learning rates of train with -S"
        )


def _run(
    ablation: Ablation, chosen: Sequence[Configuration], seeds: Sequence[int], overrides: Sequence[str]
) -> tuple[Table | None, list[str]]:
    """Do what is missing, seed by seed, so that a whole table with few seeds is there early.

    Returns the table, None where no run has ever finished, and a line for each run that diverged.
    """
    from ssmi.ablation import settings
    from ssmi.pipeline.contract.errors import DivergedError

    settings.adopt(ablation.runs, ablation.project.reporter)
    rows = _prepare(ablation, chosen)
    runs = {name: {seed: run for seed in seeds if (run := ablation.find(row, seed))} for name, row in rows.items()}
    missing = [(rows[each.name], seed) for seed in seeds for each in chosen if seed not in runs[each.name]]
    n_chosen = len(chosen) * len(seeds)
    if len(missing) < n_chosen:
        ablation.project.reporter.note(f"{n_chosen - len(missing)} of {n_chosen} runs are finished already")
    table = _write(ablation, seeds, overrides, rows, runs) if any(runs.values()) else None
    diverged = []
    for number, (row, seed) in enumerate(missing, start=n_chosen - len(missing) + 1):
        try:
            ablation.train(row, seed, count=f"[{number}/{n_chosen}]")
        except DivergedError as error:
            diverged.append(f"{row.configuration.name}, seed {seed}: {error.message}")
            ablation.project.reporter.note(f"failed: {error.message}; on to the next run")
            continue
        run = ablation.find(row, seed)
        assert run is not None
        runs[row.configuration.name][seed] = run
        table = _write(ablation, seeds, overrides, rows, runs)
    return table, diverged


def _prepare(ablation: Ablation, chosen: Sequence[Configuration]) -> dict[str, Row]:
    """The chosen rows, their features built, and those of earlier calls whose features are current; by name."""
    from ssmi.configurations import CONFIGURATIONS
    from ssmi.pipeline.executor import open_executor

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
    rows: Mapping[str, Row],
    runs: Mapping[str, Mapping[int, Run]],
) -> Table:
    """Write the table of what is finished so far."""
    from ssmi.ablation.plot import plot_curves, plot_scores
    from ssmi.ablation.table import Setting, make_table, markdown
    from ssmi.pipeline.contract.tables import writing

    finished = {name: [own[seed] for seed in seeds if seed in own] for name, own in runs.items() if own}
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
        "table.json": json.dumps(table, ensure_ascii=False, indent=1) + "\n",
        "table.md": markdown(table, figures=figures),
    }
    for name, text in texts.items():
        with writing(ablation.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table


def _command(dataset: str, names: Sequence[str], *, n_seeds: int, overrides: Sequence[str]) -> str:
    """The command that makes a table with these rows where there is none yet."""
    from ssmi.configurations import CONFIGURATIONS

    only = [] if set(names) == set(CONFIGURATIONS) else ["--only", ",".join(names)]
    changes = [word for override in overrides for word in ("-S", override)]
    return shlex.join(["ssmi-cli", "ablate", "--dataset", dataset, *only, "--seeds", str(n_seeds), *changes])

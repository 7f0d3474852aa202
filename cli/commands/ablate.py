"""``ssmi-cli ablate``: train the paper's configurations over several seeds, and write one table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli import completion
from ssmi.cli.options import (
    InputFile,
    dataset_option,
    device_option,
    jobs_option,
    json_option,
    override_option,
    seeds_option,
    split_names,
)
from ssmi.cli.session import Session
from ssmi.pipeline.contract.parameters.limits import MAX_REPEATS


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Validate names of configurations and put them in the table's order; empty if none were given."""
    from ssmi.configurations import select

    # `select` takes an empty list for all; here it stays empty, so that variants alone add no built-in row.
    return tuple(each.name for each in select(split_names(value)) if value)


@click.command()
@dataset_option
@click.option(
    "--only",
    multiple=True,
    metavar="NAME[,NAME...]",
    shell_complete=completion.configurations,
    callback=_names,
    help="Run only these configurations.  [default: all of --list; none beside variants]",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME:KEY=VALUE[,KEY=VALUE...]",
    help="Add a row with these parameters; base=CONFIGURATION: what to start from, against=ROW: what to compare with.",
)
@click.option(
    "--variants",
    "variants_file",
    type=InputFile(),
    metavar="FILE.yaml",
    help="File of such rows, NAME: {KEY: VALUE, ...}.",
)
@seeds_option(default=3)
@click.option(
    "--folds",
    "n_folds",
    type=click.IntRange(2, MAX_REPEATS),
    metavar="N",
    help="Cross-validate on N parts of train and dev, one run for each; test is not read.",
)
@jobs_option
@click.option(
    "--keep-checkpoints/--drop-checkpoints",
    default=None,
    help="Whether to keep the weights of finished runs.  [default: only without --folds]",
)
@click.option("--dry-run", is_flag=True, help="Estimate how long it will take, and stop.")
@override_option
@device_option
@click.option("--list", "list_only", is_flag=True, help="List the configurations and stop.")
@json_option
@click.pass_context
def ablate(
    context: click.Context,
    dataset: str | None,
    only: tuple[str, ...],
    variants: tuple[str, ...],
    variants_file: Path | None,
    n_seeds: int,
    n_folds: int | None,
    n_jobs: int,
    keep_checkpoints: bool | None,
    dry_run: bool,
    overrides: tuple[str, ...],
    device: str | None,
    list_only: bool,
    as_json: bool,
) -> None:
    """Train configurations of the network over seeds, and write one table.

    Finished runs are kept and unfinished ones continued, so the same command continues after Ctrl-C. The table in
    artifacts/ablate/DATASET also has the rows of earlier calls with the same parameters; finished runs with other
    parameters are listed below it. Gains have the confidence interval of `ssmi-cli compare`. The command first
    estimates how long it will take.
    """
    if list_only:
        _list(only, as_json=as_json)
        return
    from ssmi import Interrupted
    from ssmi.ablation.render import cells, note, other_cells
    from ssmi.cli.failures import INTERRUPTED, print_failure
    from ssmi.cli.terminal.tables import print_table

    session: Session = context.obj
    try:
        result = session.project.ablate(
            dataset,
            only=only,
            variants=[*variants, *([variants_file] if variants_file else ())],
            n_seeds=n_seeds,
            folds=n_folds,
            jobs=n_jobs,
            keep_checkpoints=keep_checkpoints,
            dry_run=dry_run,
            overrides=overrides,
            device=device,
        )
    # Here and not in main, because click turns every KeyboardInterrupt into an Abort without a message.
    except Interrupted as interrupted:
        context.exit(
            print_failure(f"interrupted: {interrupted.message}\n  next: run the same command again", INTERRUPTED)
        )
    table = result.table
    if as_json and table:
        click.echo(json.dumps(table.to_json(), ensure_ascii=False, indent=1))
    elif table:
        print_table(*cells(table))
        if table.other_settings:
            click.echo("other settings")
            print_table(*other_cells(table))
        click.echo(f"{note(table)}\n{result.folder}")
    # Last, so that the table of the finished runs is shown even if others diverged.
    result.raise_if_diverged()


def _list(names: tuple[str, ...], *, as_json: bool) -> None:
    from ssmi.cli.terminal.tables import print_table
    from ssmi.configurations import list_configurations

    listed = [each for each in list_configurations() if not names or each.name in names]
    rows = [(each.name, each.title, each.summary) for each in listed]
    if as_json:
        bodies = [dict(zip(("name", "row", "what"), row, strict=True)) for row in rows]
        click.echo(json.dumps(bodies, ensure_ascii=False, indent=1))
        return
    print_table(("name", "row", "what"), rows)

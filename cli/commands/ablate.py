"""``ssmi-cli ablate``: train the paper's configurations over several seeds, and make one table of them."""

from __future__ import annotations

import json

import click

from ssmi.cli import completion
from ssmi.cli.options import dataset_option, device_option, json_option, override_option
from ssmi.cli.session import Session


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The names of configurations, known ones, in the table's order."""
    from ssmi.configurations import choose

    return tuple(each.name for each in choose({name.strip() for text in value for name in text.split(",")}))


@click.command()
@dataset_option
@click.option(
    "--only",
    multiple=True,
    metavar="NAME[,NAME...]",
    shell_complete=completion.configurations,
    callback=_names,
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
    only: tuple[str, ...],
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
    if list_only:
        _list(only, as_json=as_json)
        return
    from ssmi.ablation.render import cells, note, other_cells
    from ssmi.cli.main import INTERRUPTED
    from ssmi.cli.terminal.tables import print_table
    from ssmi.training import Interrupted

    session: Session = context.obj
    try:
        result = session.project.ablate(dataset, only=only, n_seeds=n_seeds, overrides=overrides, device=device)
    except Interrupted as interrupted:
        click.echo(f"interrupted: {interrupted.message}\n  next: the same command", err=True)
        context.exit(INTERRUPTED)
    table = result.table
    if as_json and table:
        click.echo(json.dumps(table.to_json(), ensure_ascii=False, indent=1))
    elif table:
        print_table(*cells(table))
        if table.other_settings:
            click.echo("other settings")
            print_table(*other_cells(table))
        click.echo(f"{note(table)}\n{result.folder}")
    result.raise_if_diverged()


def _list(names: tuple[str, ...], *, as_json: bool) -> None:
    from ssmi.cli.terminal.tables import print_table
    from ssmi.configurations import CONFIGURATIONS

    rows = [(name, CONFIGURATIONS[name].title, CONFIGURATIONS[name].summary) for name in names]
    if as_json:
        listed = [dict(zip(("name", "row", "what"), row, strict=True)) for row in rows]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=1))
        return
    print_table(("name", "row", "what"), rows)

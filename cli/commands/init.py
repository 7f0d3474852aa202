"""``ssmi-cli init``: make a project folder for your own data."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from ssmi.cli.session import Session


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
# An option takes one value: the other files that the shell makes of `--data data/*.bmes` arrive as arguments.
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--data", multiple=True, type=click.Path(path_type=Path), metavar="FILE...", help="Labelled files.")
@click.option("--name", metavar="NAME", help="Name of the data set.  [default: the folder's name]")
@click.pass_obj
def init(session: Session, folder: Path, files: tuple[Path, ...], data: tuple[Path, ...], name: str | None) -> None:
    """Make a project folder for your own data: params.yaml, dvc.yaml and data/NAME/ with copies of FILES.

    FILES (--data FILE... or at the end) are in any format that `data check` reads and named after their splits:
    train.bmes, dev.jsonl. One file alone is the train split.
    """
    from ssmi.scaffold import init_project

    project = init_project(folder, data=[*data, *files], name=name, reporter=session.reporter)
    dataset = project.params().datasets[0]
    click.echo(f"{project.root}: a project with the data set {dataset!r}")
    if not (data or files):
        click.echo(f"  put train.* (and dev.*, test.* if you have them) into {folder / 'data' / dataset}")
    there = "" if project.root == Path.cwd() else f"cd {quote(str(folder))} && "
    click.echo(f"  next: {there}ssmi-cli data check; README.md there lists the next steps")

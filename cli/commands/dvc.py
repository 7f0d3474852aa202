"""``ssmi-cli dvc``: the project's dvc.yaml."""

from __future__ import annotations

import click

from ssmi.cli.session import Session
from ssmi.cli.usage import CommandGroup


@click.group(cls=CommandGroup)
def dvc() -> None:
    """Keep the project's dvc.yaml up to date."""


@dvc.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if the file is out of date.")
@click.pass_obj
def write(session: Session, check: bool) -> None:
    """Write the stages into dvc.yaml: after an upgrade, or when you add data sets to params.yaml.

    Stages of other names and other keys of the file stay as they are.
    """
    from ssmi.dvc import pipeline_file

    names = session.project.write_dvc(check=check)
    click.echo(f"{pipeline_file.NAME}: {'wrote ' + ', '.join(names) if names else 'current'}")

"""``ssmi-cli data``: list, fetch, convert, and check data sets and other assets before building."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ssmi.cli.commands.data_convert import convert
from ssmi.cli.options import dataset_option, json_option, override_option
from ssmi.cli.session import Session
from ssmi.cli.usage import CommandGroup


@click.group(cls=CommandGroup)
def data() -> None:
    """Data sets, vectors and encoders: list, fetch, check, convert."""


data.add_command(convert)


@data.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """List data sets, vectors and encoders: licences, and where each is found."""
    from ssmi.cli.terminal.tables import print_table
    from ssmi.data import list_assets

    session.note_if_no_project()
    assets = list_assets(project=session.project_folder or Path.cwd())
    if as_json:
        click.echo(json.dumps([asdict(asset) for asset in assets], ensure_ascii=False, indent=1, default=str))
        return
    print_table(
        ("name", "kind", "found", "source", "licence"),
        [(asset.name, asset.kind, asset.found, asset.source, asset.licence) for asset in assets],
    )


@data.command()
@click.argument("name")
@click.option("--revision", help="Hub revision to pin; for hub models only.")
@click.pass_obj
def fetch(session: Session, name: str, revision: str | None) -> None:
    """Download NAME (a listed data set, vectors or encoder, or a hub model) into the cache and check its checksum."""
    # Under another name, because `data` is the command group here.
    from ssmi import data as assets

    # Works outside a project too: a project's own copies would only take precedence.
    folder = session.project_folder or Path.cwd()
    fetched = assets.fetch(name, project=folder, revision=revision, reporter=session.reporter)
    for split, path in fetched.files.items():
        click.echo(f"{split}  {path}" if fetched.kind == "dataset" else path)


@data.command()
@dataset_option
@click.option("--encoding", metavar="NAME", help="Encoding of the raw files, e.g. gb18030.  [default: dataset.yaml]")
@click.option(
    "--offsets", metavar="UNIT", help="What offsets count: auto, code-points, utf-16.  [default: dataset.yaml]"
)
@override_option
@json_option
@click.pass_obj
def check(
    session: Session,
    dataset: str | None,
    encoding: str | None,
    offsets: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Counts by split and label, duplicates, ill-formed tags, over-long sentences, unknown characters, match rate.

    --encoding and --offsets apply to this check only; write them into dataset.yaml beside the files to build with them.
    Of params.yaml and -S the check reads encoder and segment: -S segment.user_dict=FILE tries a user dictionary.
    """
    from ssmi.cli.terminal.data_tables import tables_of
    from ssmi.cli.terminal.tables import print_table

    report = session.project.check_data(dataset, encoding=encoding, offsets=offsets, overrides=overrides)
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=1, default=str))
        return
    click.echo(f"{report.files.name}  ({report.files.origin}; {report.files.licence})")
    click.echo(f"encoder {report.encoder.name}  ({report.encoder.description})")
    for table in tables_of(report):
        click.echo(f"\n{table.title}")
        print_table(table.header, table.rows)

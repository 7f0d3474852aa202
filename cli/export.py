"""``ssmi-cli export``: a run and all that prediction needs, in one folder."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import dataset_option
from cli.session import Session


@click.command()
@click.option(
    "--run", type=click.Path(file_okay=False, path_type=Path), help="Run folder.  [default: artifacts/train/DATASET]"
)
@dataset_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make; it must not be there.")
@click.pass_obj
def export(session: Session, run: Path | None, dataset: str | None, out: Path) -> None:
    """Pack a run into a folder that `predict --run` opens on any machine with the project installed.

    It holds the tagger, the vocabulary, the segments' vectors, the PMI pairs, the encoder, and a README.txt with the
    licences of what they were made from.
    """
    from cli.runs import run_folder
    from model.files import METRICS
    from ssmi.packing import pack

    folder, project = run_folder(session, run=run, dataset=dataset)
    sizes = pack(folder, out, project=project, reporter=session.reporter)
    if not (out / METRICS).is_file():
        session.reporter.note(f"{folder}: an unfinished run (no {METRICS}); these are its best weights so far")
    click.echo(f"{out}: {len(sizes)} files, {sum(sizes.values()) / 1e6:,.1f} MB")
    click.echo(f"  ssmi-cli predict --run {out} FILE")

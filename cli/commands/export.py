"""``ssmi-cli export``: pack a run and everything that prediction needs into one folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli.options import dataset_option, json_option, run_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.text.wording import counted


@click.command()
@run_option(packed=True)
@dataset_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to create; it must not exist.")
@json_option
@click.pass_obj
def export(session: Session, run: Path | None, dataset: str | None, out: Path, as_json: bool) -> None:
    """Pack a run into a folder that `predict --run` opens on any machine where ssmi is installed.

    It holds the tagger, the vocabulary, the segments' vectors, the PMI pairs, the encoder, and a README.txt with the
    licences of their sources.

    There is no ONNX export: the network reads features that are made from the text with the segmenter, the trie, the
    vectors and the PMI pairs, so an ONNX file of the network alone could not tag text.
    """
    from ssmi.predict.packing import pack
    from ssmi.runs.lookup import note_if_unfinished

    folder, project = session.find_run(run=run, dataset=dataset)
    sizes = pack(folder, out, project=project, reporter=session.reporter)
    note_if_unfinished(folder, session.reporter)
    if as_json:
        click.echo(json.dumps({"out": str(out), "files": sizes}, ensure_ascii=False, indent=1))
        return
    click.echo(f"{out}: {counted(len(sizes), 'file')}, {sum(sizes.values()) / 1e6:,.1f} MB")
    click.echo(f"  ssmi-cli predict --run {out} FILE")

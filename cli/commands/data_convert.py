"""``ssmi-cli data convert``: convert a file of any known format to one that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.text.wording import counted

if TYPE_CHECKING:
    from ssmi.data import ReadReport
    from ssmi.pipeline.contract.labels import TagScheme

READ = (
    "columns",
    "jsonl",
    "bracket",
    "label-studio",
    "cluener",
    "w2ner",
    "brat",
    "slash",
    "csv",
    "parquet",
)
WRITTEN = ("jsonl", "conll", "bracket", "doccano", "label-studio", "cluener", "w2ner", "csv")


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "to", type=click.Choice(WRITTEN), required=True, help="How OUT is written.")
@click.option(
    "--scheme",
    type=click.Choice(["BIO", "BMES", "BIOES"]),
    default="BIO",
    show_default=True,
    help="Tag scheme of conll and csv.",
)
@click.option("--input-format", type=click.Choice(READ), help="How IN is written.  [default: recognised]")
@click.option(
    "--encoding", metavar="NAME", help="Encoding of IN: gb18030, big5 ...  [default: its byte order mark, else utf-8]"
)
@click.option(
    "--offsets",
    metavar="UNIT",
    help="What IN's offsets count: code-points or utf-16.  [default: by the texts it quotes]",
)
@click.option("--tag-map", metavar="FILE|K=V,...", help="IN's types to keep, and their names: nr=PER,ns=LOC.")
@click.option("--labels", metavar="A,B,...", help="Names of IN's numeric tags: O,B-PER,I-PER.")
@click.pass_obj
def convert(
    session: Session,
    source: Path,
    target: Path,
    to: str,
    scheme: TagScheme,
    input_format: str | None,
    encoding: str | None,
    offsets: str | None,
    tag_map: str | None,
    labels: str | None,
) -> None:
    """Convert IN, in any format and tag scheme that data sets may have, to OUT.

    IN is a file, or a brat folder or pair of files. OUT appears when everything is done. What is repaired or left out
    (nested and discontinuous entities, relations) is counted by name.
    """
    from ssmi import data

    report = data.convert(
        source,
        target,
        to=to,
        scheme=scheme,
        input_format=input_format,
        encoding=encoding,
        offsets=offsets,
        tag_map=None if tag_map is None else _tag_map(tag_map),
        labels=None if labels is None else [name.strip() for name in labels.split(",")],
        reporter=session.reporter,
    )
    for line in _summary(report, target):
        click.echo(line)


def _tag_map(given: str) -> Path | Mapping[str, str]:
    """Parse pairs given on the command line, or return the path of the file that holds them."""
    # A value without = can only be a file, and is reported as a missing file if it does not exist.
    if Path(given).exists() or "=" not in given:
        return Path(given)
    pairs = [pair.partition("=") for pair in given.split(",")]
    if not all(key.strip() and sign and value.strip() for key, sign, value in pairs):
        raise ParameterError(
            f"--tag-map {given!r}: not a file, and not pairs of types", next_step="write for example nr=PER,ns=LOC"
        )
    return {key.strip(): value.strip() for key, _, value in pairs}


def _summary(report: ReadReport, target: Path) -> list[str]:
    form = f"{report.format}, {report.scheme}" if report.scheme else report.format
    lines = [
        f"{target}: {counted(report.n_sentences, 'sentence')}, {counted(report.n_entities, 'entity')} (read as {form})",
    ]
    if summary := report.summary():
        lines.append(f"repaired or left out: {summary}")
    return [*lines, *(f"note: {note}" for note in report.notes)]

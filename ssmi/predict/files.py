"""Files of text in, rows with their entities out, in a chosen format: the output of ``ssmi-cli predict``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import PositiveInt

from ssmi.pipeline.contract.arguments import check_probability, checked
from ssmi.pipeline.contract.errors import ParameterError, name_hint
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.user_files import require_file
from ssmi.predict.formats import FORMATS, Origin
from ssmi.predict.input.reading import TEXT_FIELD, Kind
from ssmi.predict.input.structured_files import check_field
from ssmi.predict.input.text_decoding import Errors, check_encoding
from ssmi.predict.records import STDIN, RecordSource, tag_records
from ssmi.predict.run_features import version
from ssmi.predict.tagger import Tagger
from ssmi.predict.user_entities import UserEntities


@checked
def predict_files(
    tagger: Tagger,
    files: Iterable[str | Path],
    *,
    format: str = "jsonl",
    input: Kind | None = None,
    field: str | None = None,
    encoding: str | None = None,
    errors: Errors = "strict",
    batch_characters: PositiveInt | None = None,
    min_score: float = 0.0,
    reporter: Reporter | None = None,
) -> Iterator[str]:
    """Tag the texts of files, in order, and yield the output piece by piece.

    Memory does not grow with the files: each batch of texts is read, tagged and yielded before the next.

    Args:
        tagger: An open run.
        files: Files of text, JSON lines, JSON, CSV or TSV, pipes, or ``-`` for standard input. Gzip is unpacked.
        format: ``jsonl``, ``conll``, ``doccano`` or ``label-studio``.
        input: Kind of the files: ``text`` (one text per line), ``paragraphs``, ``jsonl``, ``json``, ``csv`` or ``tsv``;
            None to decide by the name of each file.
        field: Field of a row that contains the text; None for ``text``.
        encoding: Encoding of the files; None for that of the byte order mark, or UTF-8 without one.
        errors: ``strict`` refuses bytes that are invalid in the encoding, ``replace`` reads them as U+FFFD.
        batch_characters: Number of characters tagged together; None for 16,384.
        min_score: Lowest score of an entity that the run finds, 0 to 1; entities below it are left out.
        reporter: Receives progress and notes; None for silence.

    Yields:
        Pieces of the output, in order; joined, they are the whole output.

    Raises:
        ParameterError: A format or an encoding is unknown, plain text has no fields, or the score is not from 0 to 1.
        MissingResourceError: A file does not exist.
        InputDataError: A file cannot be read; the message names ``file:line``.

    """
    paths = [Path(path) for path in files]
    for path in paths:
        if path != STDIN:
            require_file(path, pipes=True)
    source = RecordSource(
        paths,
        stdin=sys.stdin.buffer,
        kind=input,
        text_field=field or TEXT_FIELD,
        encoding=None if encoding is None else check_encoding(encoding),
        errors=errors,
        note=(reporter or Silent()).note,
    )
    check_field(field, source.files, input)
    return predictions(
        tagger,
        source,
        format=format,
        batch_characters=batch_characters,
        min_score=min_score,
        sources=tagger.user_entities != UserEntities(),
        reporter=reporter or Silent(),
    )


def predictions(
    tagger: Tagger,
    source: RecordSource,
    *,
    format: str,
    batch_characters: int | None,
    min_score: float,
    sources: bool,
    reporter: Reporter,
) -> Iterator[str]:
    """Tag the records of a source and yield the output piece by piece; see ``predict_files``.

    ``sources``: whether rows state for each entity whether the run or the user named it.
    """
    check_probability("min_score", min_score)
    if format not in FORMATS:
        raise ParameterError(
            f"format {format!r}: {name_hint(format, FORMATS)}", next_step=f"one of {', '.join(FORMATS)}"
        )
    origin = Origin(tagger.labels, version(tagger.run) if format == "label-studio" else "", sources=sources)
    return _pieces(
        tagger,
        source,
        origin,
        format=format,
        batch_characters=batch_characters,
        min_score=min_score,
        reporter=reporter,
    )


def _pieces(
    tagger: Tagger,
    source: RecordSource,
    origin: Origin,
    *,
    format: str,
    batch_characters: int | None,
    min_score: float,
    reporter: Reporter,
) -> Iterator[str]:
    with reporter.task("predict", total=source.n_bytes, unit="bytes") as advance:
        tagged = tag_records(tagger, source, batch_characters=batch_characters, min_score=min_score, advance=advance)
        yield from FORMATS[format](tagged, origin)

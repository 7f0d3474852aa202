"""Any file that is read → any format that is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, at_line, nearest
from pipeline.contract.labels import TagScheme
from pipeline.contract.tables import writing
from pipeline.readers import ReadReport, Sentence, read_sentences
from pipeline.readers.options import DEFAULT, ReadOptions
from pipeline.readers.registry import files_of
from pipeline.writers.formats import FORMATS, Row, Style


def convert(
    source: Path, target: Path, *, to: str, scheme: TagScheme = "BIO", options: ReadOptions = DEFAULT
) -> ReadReport:
    """Read ``source`` in whatever format it is and write its sentences to ``target``, whole or not at all.

    ``to`` names the format of the target, ``scheme`` how it writes tags where it writes tags; ``options`` say how the
    source is read. Returns the report of the reading: what was repaired and what was left out.

    Raises ParameterError for an unknown format, MissingResourceError when there is no source or no folder for the
    target, InputDataError with ``file:line`` for what cannot be read or what the target's format cannot hold.
    """
    write = FORMATS.get(to)
    if write is None:
        raise ParameterError(f"format {to!r} is not written; {nearest(to, FORMATS)}", next_step="name one of these")
    if not target.parent.is_dir():
        raise MissingResourceError(f"{target}: no folder {target.parent}", next_step="make it, or name another place")
    if target.is_dir() or (target.exists() and any(path.samefile(target) for path in files_of(source))):
        raise InputDataError(f"{target}: a folder, or the file that is read", next_step="name another file")
    sentences, report = read_sentences(source, options=options)
    with writing(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for piece in write(_rows(sentences, source), Style(scheme)):
            stream.write(piece)
    return report


def _rows(sentences: Iterable[Sentence], source: Path) -> Iterator[Row]:
    for sentence in sentences:
        yield Row(sentence.text, sentence.entities, where=at_line(source, sentence.line))

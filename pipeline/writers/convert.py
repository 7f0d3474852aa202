"""Conversion of a file from any readable format to any writable format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, at_line, closest_name
from ssmi.pipeline.contract.labels import TagScheme
from ssmi.pipeline.contract.progress import Advance
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.registry import files_of
from ssmi.pipeline.writers.formats import FORMATS, Format, LabelledText, Style

_STEP = 100
"""Sentences between two calls of ``advance``."""


def write_converted(
    source: Path, target: Path, *, to: str, scheme: TagScheme, options: ReadOptions, advance: Advance
) -> ReadReport:
    """Read a file in any format and write its sentences in another; see ``ssmi.convert``.

    ``advance`` is called with the number of sentences written since the last call.
    """
    write = _writer(to)
    _check_target(target, source)
    sentences, report = read_sentences(source, options=options)
    # newline="": each format writes its own line ends, and those inside a text must not change.
    with writing(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for piece in write(_rows(sentences, source, advance), Style(scheme)):
            stream.write(piece)
    return report


def _writer(to: str) -> Format:
    write = FORMATS.get(to)
    if write is None:
        close = closest_name(to, FORMATS)
        hint = "" if close is None else f", did you mean {close!r}?"
        raise ParameterError(f"unknown output format {to!r}{hint}", next_step=f"choose one of: {', '.join(FORMATS)}")
    return write


def _check_target(target: Path, source: Path) -> None:
    if not target.parent.is_dir():
        raise MissingResourceError(f"{target}: no folder {target.parent}", next_step="make it, or name another folder")
    if target.is_dir():
        raise InputDataError(f"{target}: a folder", next_step="name a file")
    # Compared by file, not by name: several paths may lead to one file.
    if target.exists() and any(path.exists() and path.samefile(target) for path in files_of(source)):
        raise InputDataError(
            f"{target}: is also the source file and would be overwritten", next_step="name another file"
        )


def _rows(sentences: Iterable[Sentence], source: Path, advance: Advance) -> Iterator[LabelledText]:
    for number, sentence in enumerate(sentences, start=1):
        yield LabelledText(sentence.text, sentence.entities, where=at_line(source, sentence.line))
        if number % _STEP == 0:
            advance(_STEP)

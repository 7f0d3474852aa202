"""Any file that is read → any format that is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, at_line, nearest
from ssmi.pipeline.contract.labels import ROLES, TagScheme
from ssmi.pipeline.contract.progress import Advance
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.registry import files_of
from ssmi.pipeline.writers.formats import FORMATS, Format, LabelledText, Style

_STEP = 100
"""Sentences between two calls of ``advance``."""


@checked
def convert(
    source: Path | str,
    target: Path | str,
    *,
    to: str,
    scheme: TagScheme = "BIO",
    options: ReadOptions = DEFAULT,
    advance: Advance | None = None,
) -> ReadReport:
    """Read a file of any format and write its sentences in another, whole or not at all.

    Args:
        source: The file that is read.
        target: The file that is written.
        to: The target's format.
        scheme: How the target writes tags, in formats that have tags.
        options: How the source is read.
        advance: Called with the number of sentences written since the last call.

    Returns:
        The report of the reading: what was repaired and what was left out.

    Raises:
        ParameterError: The format or scheme is unknown.
        MissingResourceError: The source, or the folder of the target, does not exist.
        InputDataError: With ``file:line``: something cannot be read, or the target's format cannot hold it.
    """
    source, target = Path(source), Path(target)
    write = _writer(to, scheme)
    _check_target(target, source)
    sentences, report = read_sentences(source, options=options)
    # newline="": line ends are a format's own, and those inside a text must stay as they are.
    with writing(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for piece in write(_rows(sentences, source, advance), Style(scheme)):
            stream.write(piece)
    return report


def _writer(to: str, scheme: str) -> Format:
    write = FORMATS.get(to)
    if write is None:
        raise ParameterError(f"format {to!r} is not written; {nearest(to, FORMATS)}", next_step="name one of these")
    if scheme not in ROLES:
        raise ParameterError(
            f"scheme {scheme!r} is not written; {nearest(scheme, ROLES)}", next_step="name one of these"
        )
    return write


def _check_target(target: Path, source: Path) -> None:
    if not target.parent.is_dir():
        raise MissingResourceError(f"{target}: no folder {target.parent}", next_step="make it, or name another folder")
    if target.is_dir():
        raise InputDataError(f"{target}: a folder", next_step="name a file")
    # By file, not by name: one file may be reached by several paths.
    if target.exists() and any(path.exists() and path.samefile(target) for path in files_of(source)):
        raise InputDataError(f"{target}: the file that is read, which would be lost", next_step="name another")


def _rows(sentences: Iterable[Sentence], source: Path, advance: Advance | None) -> Iterator[LabelledText]:
    for number, sentence in enumerate(sentences, start=1):
        yield LabelledText(sentence.text, sentence.entities, where=at_line(source, sentence.line))
        if advance is not None and number % _STEP == 0:
            advance(_STEP)

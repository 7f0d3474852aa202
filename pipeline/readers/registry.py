"""The doorway: any raw file → sentences, whatever its format.

To add a format, write one file in ``formats/`` with ``read_<name>(path, options, report) -> Iterator[Sentence]`` and
add one line to ``FORMATS``. The reader streams, calls ``report.repair`` and ``report.skip`` for what it repairs or
leaves out, and raises InputDataError with ``file:line``; opening, counting and the refusal of empty files are done here
and in ``lines``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.contract.errors import InputDataError
from pipeline.readers.formats.bracket import ENTITY, read_bracket
from pipeline.readers.formats.brat import is_brat, read_brat
from pipeline.readers.formats.cluener import looks_like_cluener, read_cluener
from pipeline.readers.formats.columns import read_columns, split_row
from pipeline.readers.formats.jsonl import read_jsonl
from pipeline.readers.formats.label_studio import looks_like_label_studio, read_label_studio
from pipeline.readers.formats.slash import looks_like_slash, read_slash
from pipeline.readers.formats.w2ner import looks_like_w2ner, read_w2ner
from pipeline.readers.json_values import first_value
from pipeline.readers.lines import numbered_lines
from pipeline.readers.options import DEFAULT, ReadOptions
from pipeline.readers.sentence import ReadReport, Sentence

_SNIFFED_LINES = 200
_TAG = re.compile(r"O|[A-Z]-\S+")


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: how it is recognised and who reads it."""

    name: str
    suffixes: tuple[str, ...]
    """Endings that settle the matter (a ``.gz`` behind them is ignored)."""
    recognises: Callable[[list[str]], bool]
    """Whether the first lines that are neither blank nor begin with ``#`` look like it; asked in this order."""
    read: Callable[[Path, ReadOptions, ReadReport], Iterator[Sentence]]


def _looks_like_rows(lines: list[str]) -> bool:
    try:
        row = split_row(lines[0]) if lines else None
    except ValueError:
        return False
    return row is not None and _TAG.fullmatch(row.tag) is not None


def _looks_like_brackets(lines: list[str]) -> bool:
    # the first sentence may hold no entity, but a file of rows shows itself in its first line
    return not _looks_like_rows(lines) and any(ENTITY.search(line) for line in lines)


def _looks_like_json(lines: list[str]) -> bool:
    return bool(lines) and re.match(r'\s*(\{\s*"|\[\s*(\{|\]|$))', lines[0]) is not None


def _is_any(_: object) -> bool:
    return True


def _is_none(_: object) -> bool:
    return False


JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
"""What such a file holds is told by its first row."""
JSON_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "label-studio": looks_like_label_studio,
    "cluener": looks_like_cluener,
    "w2ner": looks_like_w2ner,
}
"""Those recognised by the first row; every other one is ``jsonl``."""

FORMATS: tuple[Format, ...] = (
    Format("label-studio", (), _is_none, read_label_studio),
    Format("cluener", (), _is_none, read_cluener),
    Format("w2ner", (), _is_none, read_w2ner),
    Format("brat", (), _is_none, read_brat),
    Format("jsonl", JSON_SUFFIXES, _looks_like_json, read_jsonl),
    Format("slash", (), looks_like_slash, read_slash),
    Format("bracket", (), _looks_like_brackets, read_bracket),
    Format("columns", (".bmes", ".bio", ".bioes", ".conll"), _is_any, read_columns),
)


def read_sentences(path: Path, *, options: ReadOptions = DEFAULT) -> tuple[Iterator[Sentence], ReadReport]:
    """Read a raw file of any known format, told by its ending, else by its first lines.

    Returns the sentences, which stream in constant memory, and a report that is complete when they are exhausted.

    Raises MissingResourceError when the file is not there; while iterating, InputDataError with ``file:line`` where
    the file breaks its format, and when it holds no sentence.
    """
    found = _format_of(path, options)
    report = ReadReport(path, found.name)
    return _counted(found.read(path, options, report), report), report


def _format_of(path: Path, options: ReadOptions) -> Format:
    named = {entry.name: entry for entry in FORMATS}
    if is_brat(path):
        return named["brat"]
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    with closing(numbered_lines(path, encoding=options.encoding)) as lines:
        head = [line for _, line in islice(lines, _SNIFFED_LINES) if line.strip() and not line.startswith("#")]
    by_suffix = (entry for entry in FORMATS if suffixes and suffixes[-1] in entry.suffixes)
    found = next(by_suffix, None) or next(entry for entry in FORMATS if entry.recognises(head))
    return named[_json_format(path, options)] if found.name == "jsonl" else found


def _json_format(path: Path, options: ReadOptions) -> str:
    row = first_value(path, encoding=options.encoding)
    found = [name for name, looks_like in JSON_FORMATS.items() if isinstance(row, dict) and looks_like(row)]
    if len(found) > 1:
        raise InputDataError(
            f"{path}: the first row may be one of {' or of '.join(found)}",
            next_step=f"write `format: {found[0]}` (or what it is) into dataset.yaml beside the file",
        )
    return found[0] if found else "jsonl"


def _counted(sentences: Iterator[Sentence], report: ReadReport) -> Iterator[Sentence]:
    for sentence in sentences:
        report.count(sentence)
        yield sentence
    if report.n_sentences == 0:
        raise InputDataError(f"{report.path}: holds no sentence", next_step="give a file with sentences")

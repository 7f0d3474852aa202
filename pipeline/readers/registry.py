"""Registry of file formats: read the sentences of a raw file of any format.

To add a format, write a module in ``formats/`` with ``read_<name>(path, options, report) -> Iterator[Sentence]`` and
add a line to ``FORMATS``. The reader streams, calls ``report.repair`` and ``report.skip`` for everything that it
repairs or leaves out, and raises InputDataError with ``file:line``. Counting, the refusal of empty files (here) and
opening files (``raw/lines``) need no code in the reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError, name_hint
from ssmi.pipeline.readers.documents import refuse_labelled_document
from ssmi.pipeline.readers.formats.bracket import ENTITY, read_bracket
from ssmi.pipeline.readers.formats.brat import brat_files, read_brat
from ssmi.pipeline.readers.formats.cluener import looks_like_cluener, read_cluener
from ssmi.pipeline.readers.formats.columns import ENDINGS, read_columns
from ssmi.pipeline.readers.formats.csv_tables import looks_like_table, read_csv
from ssmi.pipeline.readers.formats.jsonl import read_jsonl
from ssmi.pipeline.readers.formats.label_studio import looks_like_label_studio, read_label_studio
from ssmi.pipeline.readers.formats.parquet import read_parquet
from ssmi.pipeline.readers.formats.slash import looks_like_slash, read_slash
from ssmi.pipeline.readers.formats.w2ner import looks_like_w2ner, read_w2ner
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.raw.json_values import begins_an_array, first_value
from ssmi.pipeline.readers.raw.lines import numbered_lines
from ssmi.pipeline.readers.rows.column_rows import split_row
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

UNMAPPED_TYPE = "type-not-in-tag_map"

_SNIFFED_LINES = 200
_OR_REMOVE: Mapping[str, str] = {
    "dev": ", or remove it: prepare.dev_fraction of train is then held out in its place",
    "test": ", or remove it: a data set needs no test file",
}
"""End of the next step for a split that may be missing."""
_TAG = re.compile(r"O|[A-Z]-\S+")


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its name, how it is recognised and the function that reads it."""

    name: str
    suffixes: tuple[str, ...]
    """File name endings that determine the format (a final ``.gz`` is ignored)."""
    recognises: Callable[[list[str]], bool]
    """Whether the first lines, without blank lines and lines that begin with ``#``, look like this format.

    Formats are tried in the order of ``FORMATS``."""
    read: Callable[[Path, ReadOptions, ReadReport], Iterator[Sentence]]
    endings: tuple[str, ...] = ()
    """Other usual endings of such files, which do not determine the format."""
    files: Callable[[Path], list[Path]] | None = None
    """For a format that may be a folder: the files read for a path; empty if the path does not have the format."""
    maps_types: bool = False
    """Whether the reader itself applies ``options.tag_map``."""


def _looks_like_rows(lines: list[str]) -> bool:
    try:
        row = split_row(lines[0]) if lines else None
    except ValueError:
        return False
    return row is not None and _TAG.fullmatch(row.tag) is not None


def _looks_like_brackets(lines: list[str]) -> bool:
    # The first sentence may have no entity, but a file of rows is recognised by its first line.
    return not _looks_like_rows(lines) and any(ENTITY.search(line) for line in lines)


def _looks_like_json(lines: list[str]) -> bool:
    return bool(lines) and re.match(r'\s*(\{\s*"|\[\s*(\{|\]|$))', lines[0]) is not None


def _is_any(_: object) -> bool:
    return True


def _is_none(_: object) -> bool:
    return False


JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
"""Endings of JSON files, whose format is determined by the first row."""
JSON_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "label-studio": looks_like_label_studio,
    "cluener": looks_like_cluener,
    "w2ner": looks_like_w2ner,
}
"""Formats of JSON files that are recognised by the first row; any other row means ``jsonl``."""

FORMATS: tuple[Format, ...] = (
    Format("label-studio", (), _is_none, read_label_studio),
    Format("cluener", (), _is_none, read_cluener),
    Format("w2ner", (), _is_none, read_w2ner),
    Format("brat", (), _is_none, read_brat, files=brat_files),
    Format("parquet", (".parquet",), _is_none, read_parquet),
    Format("jsonl", JSON_SUFFIXES, _looks_like_json, read_jsonl),
    Format("slash", (), looks_like_slash, read_slash, maps_types=True),
    Format("bracket", (), _looks_like_brackets, read_bracket),
    Format("csv", (".csv",), looks_like_table, read_csv, endings=(".tsv",)),
    Format("columns", ENDINGS, _is_any, read_columns),
)


def endings() -> tuple[str, ...]:
    """Return every ending that a raw file may have, the usual ones first."""
    known = (ending for entry in reversed(FORMATS) for ending in (*entry.suffixes, *entry.endings))
    return tuple(dict.fromkeys((*known, ".txt")))


def format_named(name: str, *, source: str) -> Format:
    """Return the format of a name; raises InputDataError, beginning with ``source``, for an unknown name."""
    formats = {entry.name: entry for entry in FORMATS}
    if name not in formats:
        raise InputDataError(
            f"{source}: format {name!r} is not known; {name_hint(name, formats)}",
            next_step=f"write one of {', '.join(sorted(formats))}",
        )
    return formats[name]


def files_of(path: Path) -> list[Path]:
    """Return the files that are read for a path: those of a folder's format, otherwise the path itself."""
    of_folder = (entry.files(path) for entry in FORMATS if entry.files is not None)
    return next(filter(None, of_folder), None) or [path]


def read_sentences(
    path: Path, *, options: ReadOptions = DEFAULT, split: str | None = None
) -> tuple[Iterator[Sentence], ReadReport]:
    """Read a raw file of any known format.

    The format is taken from ``options``, otherwise from the ending of the file, otherwise from its first lines.

    Args:
        path: The file, or a folder of a format that has folders.
        options: The options for reading.
        split: The split that the file is, if any, for the next step if it holds no sentence.

    Returns:
        The sentences, which stream in constant memory, and a report that is complete when they are exhausted.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: The format is unknown. While iterating, with ``file:line``: the file breaks its format, or holds
            no sentence.
    """
    file_format = _format_of(path, options)
    report = ReadReport(path, file_format.name)
    sentences = file_format.read(path, options, report)
    if options.tag_map is not None and not file_format.maps_types:
        sentences = _mapped(sentences, options.tag_map, report)
    return _counted(sentences, report, split), report


def _format_of(path: Path, options: ReadOptions) -> Format:
    refuse_labelled_document(path)
    if options.format is not None:
        return format_named(options.format, source=str(path))
    as_folder = next((entry for entry in FORMATS if entry.files is not None and entry.files(path)), None)
    if as_folder is not None:
        return as_folder
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    if suffixes[-1:] == [".parquet"]:  # no lines to look at
        return format_named("parquet", source=str(path))
    if begins_an_array(path, encoding=options.encoding):  # the whole array may be on the first line
        return _json_format(path, options)
    with closing(numbered_lines(path, encoding=options.encoding)) as lines:
        head = [line for _, line in islice(lines, _SNIFFED_LINES) if line.strip() and not line.startswith("#")]
    by_suffix = (entry for entry in FORMATS if suffixes and suffixes[-1] in entry.suffixes)
    by_lines = next(by_suffix, None) or next(entry for entry in FORMATS if entry.recognises(head))
    return _json_format(path, options) if by_lines.name == "jsonl" else by_lines


def _json_format(path: Path, options: ReadOptions) -> Format:
    row = first_value(path, encoding=options.encoding)
    candidates = [name for name, looks_like in JSON_FORMATS.items() if isinstance(row, dict) and looks_like(row)]
    if len(candidates) > 1:
        raise InputDataError(
            f"{path}: the first row may be one of {' or of '.join(candidates)}",
            next_step=f"write `format: {candidates[0]}` (or what it is) into dataset.yaml beside the file",
        )
    return format_named(candidates[0] if candidates else "jsonl", source=str(path))


def _mapped(sentences: Iterator[Sentence], tag_map: Mapping[str, str], report: ReadReport) -> Iterator[Sentence]:
    for sentence in sentences:
        kept = []
        for entity in sentence.entities:
            if entity.label in tag_map:
                kept.append(replace(entity, label=tag_map[entity.label]))
            else:
                report.skip(UNMAPPED_TYPE, sentence.line)
        yield replace(sentence, entities=tuple(kept))


def _counted(sentences: Iterator[Sentence], report: ReadReport, split: str | None) -> Iterator[Sentence]:
    for sentence in sentences:
        report.count(sentence)
        yield sentence
    if report.n_sentences == 0:
        remove = "" if split is None else _OR_REMOVE.get(split, "")
        if report.skipped:
            raise InputDataError(
                f"{report.path}: holds no sentence: {report.summary()}",
                next_step=f"give a file in which some are not left out{remove}",
            )
        raise InputDataError(f"{report.path}: holds no sentence", next_step=f"give a file with sentences{remove}")

r"""Text given by the user, as records: each is a line, a paragraph, a JSON object or a row of a table.

Records are read one at a time, except those of a JSON array, which is read whole. A byte order mark at the start of a
file is not part of the text. Nothing else is stripped or changed, so positions in a text are those in the file. A
``\r`` ends a line only in a file without ``\n``.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.json_text import not_json
from ssmi.pipeline.contract.text.wording import counted, json_kind
from ssmi.pipeline.readers.formats.csv_tables import LONGEST_CELL, is_stray_return
from ssmi.pipeline.readers.labelled import is_labelled_row, suggestions
from ssmi.pipeline.readers.raw.decoding import Line
from ssmi.pipeline.readers.raw.lines import stray_return
from ssmi.predict.input.structured_files import (
    note_brackets,
    note_entities,
    refuse_labels,
    refuse_structure,
    separator,
)
from ssmi.predict.input.text_decoding import Errors, Source

Kind = Literal["text", "paragraphs", "jsonl", "json", "csv", "tsv"]

TEXT_FIELD = "text"
_JSONL_STEP = 'write {"text": "..."} on each line; plain text is read with --input text'
_JSON_STEP = 'write an array of strings or of {"text": "..."}; an object a line is --input jsonl'
_CSV_STEP = "quote fields that hold commas, quotes or line ends, and double quotes within; plain text is --input text"


@dataclass(frozen=True, slots=True)
class Record:
    """A text, and the fields beside it."""

    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_records(
    stream: BinaryIO,
    *,
    name: str,
    kind: Kind | None,
    errors: Errors = "strict",
    text_field: str = TEXT_FIELD,
    encoding: str | None = None,
    advance: Callable[[int], None] | None = None,
    note: Callable[[str], object] = lambda message: None,
) -> Iterator[Record]:
    """Yield the records of a stream. Gzip is unpacked.

    Args:
        stream: The bytes.
        name: Name of the stream in errors.
        kind: ``text``: one record per line, empty lines included. None: as ``text``, but JSON, markup and labelled
            lines are refused. ``paragraphs``: blocks of lines between blank lines, with the line ends inside.
            ``jsonl``: one object per line. ``json``: an array of objects or strings. ``csv``, ``tsv``: rows under a
            header, which may be separated by tabs, commas or semicolons. In the last four, blank lines are skipped and
            all fields other than the text are kept.
        errors: ``replace`` reads bytes that are invalid in the encoding as U+FFFD; ``strict`` refuses them.
        text_field: Field that contains the text.
        encoding: None for that of the byte order mark, or UTF-8 without one.
        advance: Called with the number of bytes read.
        note: Called once with a message if the input already seems to contain entities, and at the end with the
            number of characters that were replaced.

    Raises:
        InputDataError: The input is not text, is refused as above, has bytes that are invalid in the encoding (the
            message counts them from 1 within the line), or lines that are not an object or row of its kind. The
            message names ``file:line``.
    """
    source = Source(stream, name=name, encoding=encoding, advance=advance)
    if kind is None:
        refuse_structure(source)
        refuse_labels(source, text_field=text_field)
        note_brackets(source, note=note)
    lines = source.lines(errors, note=note)
    if kind in ("jsonl", "json"):
        numbers = _Numbers()
        parse = _objects if kind == "jsonl" else _array
        rows = parse(lines, name=name, text_field=text_field, numbers=numbers)
        return _noted(rows, name, note, numbers=numbers)
    if kind in ("csv", "tsv"):
        delimiter = separator(source, usual="\t" if kind == "tsv" else ",", text_field=text_field)
        refuse_labels(source, text_field=text_field, delimiter=delimiter)
        return _noted(_rows(lines, name=name, text_field=text_field, delimiter=delimiter), name, note)
    return map(Record, _paragraphs(lines) if kind == "paragraphs" else map(_without_end, lines))


def _noted(
    records: Iterator[Record], name: str, note: Callable[[str], object], *, numbers: _Numbers | None = None
) -> Iterator[Record]:
    """Pass records on, with a note about the first that contains entities, and one about numbers read as null."""
    is_noted = False
    for record in records:
        is_noted = is_noted or note_entities(record.fields, name=name, note=note)
        yield record
    if numbers is not None and numbers.n_replaced:
        note(f"{name}: {counted(numbers.n_replaced, 'NaN or infinite number')} read as null: JSON has no such number")


def _without_end(line: Line) -> str:
    return line.text.removesuffix(line.end)


def _paragraphs(lines: Iterable[Line]) -> Iterator[str]:
    block: list[Line] = []
    for line in lines:
        if line.text.strip():
            block.append(line)
        elif block:
            yield _joined(block)
            block = []
    if block:
        yield _joined(block)


def _joined(block: Sequence[Line]) -> str:
    return "".join([*(line.text for line in block[:-1]), _without_end(block[-1])])


def _objects(lines: Iterable[Line], *, name: str, text_field: str, numbers: _Numbers) -> Iterator[Record]:
    for line in lines:
        if not line.text.strip():
            continue
        where = at_line(name, line.number)
        try:
            body = numbers.loads(line.text)
        except (ValueError, RecursionError) as error:
            raise not_json(where, error, next_step=_JSONL_STEP) from None
        if not isinstance(body, dict):
            raise InputDataError(f"{where}: {json_kind(body)}, not a JSON object", next_step=_JSONL_STEP)
        yield _record(body, name=name, where=where, text_field=text_field, next_step=_JSONL_STEP)


def _array(lines: Iterable[Line], *, name: str, text_field: str, numbers: _Numbers) -> Iterator[Record]:
    try:
        whole = "".join(line.text for line in lines)
        body = numbers.loads(whole)
    except json.JSONDecodeError as error:
        where = at_line(name, error.lineno)
        raise InputDataError(f"{where}: not JSON ({error.msg}, column {error.colno})", next_step=_JSON_STEP) from None
    except (ValueError, RecursionError) as error:
        raise not_json(name, error, next_step=_JSON_STEP) from None
    if isinstance(body, dict) and text_field in body:
        body = [body]
    if not isinstance(body, list):
        fields = f" with the fields {', '.join(map(repr, body))}" if isinstance(body, dict) else ""
        raise InputDataError(
            f"{name}: {json_kind(body)}{fields}, not a JSON array",
            next_step=_named_fields(body, text_field) + _JSON_STEP,
        )
    for number, one in enumerate(body, start=1):
        where = f"{name}: element {number}"
        if isinstance(one, str):
            yield Record(one)
        elif isinstance(one, dict):
            yield _record(one, name=name, where=where, text_field=text_field, next_step=_JSON_STEP)
        else:
            raise InputDataError(f"{where}: {json_kind(one)}, neither a string nor an object", next_step=_JSON_STEP)


def _rows(lines: Iterable[Line], *, name: str, text_field: str, delimiter: str) -> Iterator[Record]:
    # The limit applies to the whole process: it is only raised, so that other readers of tables are not affected.
    if csv.field_size_limit() < LONGEST_CELL:
        csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader((line.text for line in lines), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    start = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            if is_stray_return(error):
                raise stray_return(at_line(name, reader.line_num)) from None
            raise InputDataError(f"{at_line(name, start)}: not a row ({error})", next_step=_CSV_STEP) from None
        # A quoted field may span lines: errors name the first line of its row.
        where, start = at_line(name, start), reader.line_num + 1
        if row is None:
            return
        if not row:
            continue
        if header is None:
            header = _header(row, where=where, text_field=text_field)
            continue
        if len(row) != len(header):
            raise InputDataError(
                f"{where}: {counted(len(row), 'field')} under a header of {len(header)}", next_step=_CSV_STEP
            )
        body = dict(zip(header, row, strict=True))
        yield _record(body, name=name, where=where, text_field=text_field, next_step=_CSV_STEP)


def _header(row: list[str], *, where: str, text_field: str) -> list[str]:
    twice = sorted({one for one in row if row.count(one) > 1})
    if twice:
        raise InputDataError(f"{where}: the header names {twice[0]!r} twice", next_step="give each field one name")
    if text_field not in row:
        raise InputDataError(
            f"{where}: the header has no field {text_field!r}; it has {', '.join(map(repr, row))}",
            next_step="name the one that holds the text with --field; plain text is read with --input text",
        )
    return row


def _record(body: dict[str, Any], *, name: str, where: str, text_field: str, next_step: str) -> Record:
    text = body.get(text_field)
    if not isinstance(text, str):
        if text_field not in body and is_labelled_row(body):
            raise InputDataError(f"{where}: a labelled row, not a text", next_step=suggestions(name))
        what = f"{text_field!r} is {json_kind(text)}, not text" if text_field in body else f"no field {text_field!r}"
        raise InputDataError(f"{where}: {what}", next_step=_named_fields(body, text_field) + next_step)
    if text_field == TEXT_FIELD:
        return Record(text, body)
    if TEXT_FIELD in body:
        raise InputDataError(
            f"{where}: a field {TEXT_FIELD!r} beside {text_field!r}, and output calls the text {TEXT_FIELD!r}",
            next_step=f"rename the field {TEXT_FIELD!r} of the input",
        )
    return Record(text, {key: value for key, value in body.items() if key != text_field})


def _named_fields(body: object, text_field: str) -> str:
    """Beginning of a next step that names fields which may contain the text; empty if none is a string."""
    if not isinstance(body, dict):
        return ""
    others = [name for name, value in body.items() if isinstance(value, str) and name != text_field]
    return f"--field NAME says where the text stands ({', '.join(map(repr, others[:5]))}), or " if others else ""


class _Numbers:
    """Reads NaN and infinity, which Python's json and pandas write and JSON lacks, as null, and counts them."""

    def __init__(self) -> None:
        self.n_replaced = 0

    def loads(self, text: str) -> Any:
        """Parse JSON. Raises ValueError, or RecursionError for nesting that is too deep."""
        return json.loads(text, parse_constant=self._null, parse_float=self._finite)

    def _null(self, _: str) -> float | None:
        self.n_replaced += 1
        return None

    def _finite(self, digits: str) -> float | None:
        """Parse a number; None for one beyond the range of floats, which Python would read as infinity."""
        number = float(digits)
        return number if math.isfinite(number) else self._null(digits)

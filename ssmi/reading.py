r"""Text that a person brings, as records: a line, a paragraph or a JSON object each; read one at a time.

Only ``\n`` and ``\r\n`` end a line, for U+2028 and the like may stand inside a text. A byte order mark at the start
of a file is no part of it. Nothing else is stripped or changed: positions found in a text are those of the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from pipeline.contract.errors import InputDataError, at_line

Kind = Literal["text", "paragraphs", "jsonl"]
Errors = Literal["strict", "replace"]
Line = tuple[int, str]
"""Its number, from 1, and the line with its end."""

TEXT_FIELD = "text"
_BOM = b"\xef\xbb\xbf"
_JSONL_STEP = 'write {"text": "..."} on each line; plain text is read with --input text'


@dataclass(frozen=True, slots=True)
class Record:
    """A text, and the fields that stood beside it."""

    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_records(
    stream: BinaryIO, *, name: str, kind: Kind, errors: Errors = "strict", advance: Callable[[int], None] | None = None
) -> Iterator[Record]:
    """Yield the records of a stream of UTF-8; ``name`` is what errors call it, ``advance`` is told of bytes read.

    ``text``: a record a line, empty lines too. ``paragraphs``: blocks of lines between blank ones, with the line ends
    within. ``jsonl``: objects with a field ``text``; blank lines are passed over.
    errors: ``replace`` puts U+FFFD where bytes are no UTF-8. Raises InputDataError with ``file:line`` for them (and the
    byte's offset in the file, from 0) otherwise, and for lines that are no such object.
    """
    lines = _lines(stream, name=name, errors=errors, advance=advance)
    if kind == "jsonl":
        return _objects(lines, name=name)
    return map(Record, _paragraphs(lines) if kind == "paragraphs" else (_without_end(line) for _, line in lines))


def _lines(stream: BinaryIO, *, name: str, errors: Errors, advance: Callable[[int], None] | None) -> Iterator[Line]:
    offset = 0
    for number, raw in enumerate(iter(stream.readline, b""), start=1):
        start = len(_BOM) if number == 1 and raw.startswith(_BOM) else 0
        try:
            line = raw[start:].decode("utf-8", errors)
        except UnicodeDecodeError as error:
            place = start + error.start
            raise InputDataError(
                f"{at_line(name, number)}: byte {offset + place} (0x{raw[place]:02x}) is not UTF-8: {error.reason}",
                next_step="convert the file to UTF-8, or go on with --errors replace (U+FFFD in its place)",
            ) from None
        offset += len(raw)
        if advance is not None:
            advance(len(raw))
        if line or not start:  # a file of nothing but a byte order mark has no line
            yield number, line


def _without_end(line: str) -> str:
    return line[:-1].removesuffix("\r") if line.endswith("\n") else line


def _paragraphs(lines: Iterable[Line]) -> Iterator[str]:
    block: list[str] = []
    for _, line in lines:
        if line.strip():
            block.append(line)
        elif block:
            yield _without_end("".join(block))
            block = []
    if block:
        yield _without_end("".join(block))


def _objects(lines: Iterable[Line], *, name: str) -> Iterator[Record]:
    for number, line in lines:
        if not line.strip():
            continue
        where = at_line(name, number)
        try:
            body = json.loads(line, parse_constant=_no_number, parse_float=_finite)
        except json.JSONDecodeError as error:
            raise InputDataError(
                f"{where}: not JSON ({error.msg}, column {error.colno})", next_step=_JSONL_STEP
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputDataError(f"{where}: not JSON ({error})", next_step=_JSONL_STEP) from None
        if not isinstance(body, dict):
            raise InputDataError(f"{where}: a JSON {type(body).__name__}, no object", next_step=_JSONL_STEP)
        text = body.get(TEXT_FIELD)
        if not isinstance(text, str):
            what = f"{TEXT_FIELD!r} is no string" if TEXT_FIELD in body else f"no field {TEXT_FIELD!r}"
            raise InputDataError(f"{where}: {what}", next_step=_JSONL_STEP)
        yield Record(text, body)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    """Of a number beyond floats Python would make Infinity, which JSON cannot say."""
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)

"""Read JSON files one value at a time: files with one value per line, or with one array over any number of lines."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.json_text import not_json
from ssmi.pipeline.readers.documents import ending_of
from ssmi.pipeline.readers.raw.lines import numbered_lines, text_pieces
from ssmi.pipeline.readers.sentence import ReadReport

LONGEST_VALUE = 1 << 28
"""Maximum number of characters of one value of an array; a longer value is refused rather than held in memory."""

BLANK_LINE = "blank-line"
_FORM = 'write an object a line, or one array of objects: {"text": "李明在京", "entities": [[0, 2, "PER"]]} for example'

_PIECE = 1 << 18
"""Number of characters decoded at once, unless a single value is longer."""
_LONGEST_WORD = 16
"""JSON tokens other than strings are shorter, so an error further from the end is not caused by truncated text."""
_ARRAY = re.compile(r"\[\s*(?:[{\]]|$)")
_ARRAY_OF_PAIRS = re.compile(r'\[\s*\[\s*(?:"|$)')
"""Only in files ending in .json: elsewhere it may begin a row of tokens and their tags."""
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a file and its location."""

    body: Any
    number: int
    """Line number of the value, or its index in an array; from 1."""
    where: str
    """Location for messages: ``file:line``, followed by the row in an array."""
    in_array: bool = False


def json_values(
    path: Path, *, encoding: str | None = None, report: ReadReport | None = None
) -> Generator[Value, None, None]:
    """Yield the values of a file of JSON lines or of one JSON array; blank lines are counted in ``report``.

    The first non-blank characters determine which it is. Memory holds one line, or one value of the array with some
    text around it, regardless of the array's layout.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: With ``file:line`` for text that is not JSON, and as in ``numbered_lines``.
    """
    if begins_an_array(path, encoding=encoding):
        with closing(text_pieces(path, encoding=encoding)) as pieces:
            yield from _Array(path, pieces).values()
        return
    with closing(numbered_lines(path, encoding=encoding)) as lines:
        for number, line in lines:
            if not line.strip():
                if report is not None:
                    report.skip(BLANK_LINE, number)
                continue
            where = at_line(path, number)
            try:
                body = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise not_json(where, error, next_step=_FORM) from None
            yield Value(body, number, where)


def first_value(path: Path, *, encoding: str | None = None) -> Any:
    """Return the first value of a file; None if the file has no value or is not JSON."""
    try:
        with closing(json_values(path, encoding=encoding)) as values:
            first = next(values, None)
    except InputDataError:
        return None
    return None if first is None else first.body


def begins_an_array(path: Path, *, encoding: str | None = None) -> bool:
    """Whether the first non-blank characters open an array of objects (in .json also of pairs) or an empty array."""
    head = ""
    try:
        with closing(text_pieces(path, encoding=encoding)) as pieces:
            for piece in pieces:
                head = (head + piece).lstrip()
                if len(head.replace(" ", "")) > _LONGEST_WORD:
                    break
    except InputDataError:  # reported with the line by the reader of the file
        return False
    return _ARRAY.match(head) is not None or (ending_of(path) == ".json" and _ARRAY_OF_PAIRS.match(head) is not None)


def _not_values(where: str, why: object) -> InputDataError:
    """Make the error for text that is not one array of values."""
    return InputDataError(f"{where}: not JSON ({why})", next_step=_FORM)


class _Array:
    """Decodes an array from a buffer that is refilled and from which decoded text is discarded."""

    def __init__(self, path: Path, pieces: Iterator[str], *, at_once: int = _PIECE) -> None:
        self._path = path
        self._pieces = pieces
        self._at_once = at_once
        self._buffer = ""
        self._place = 0
        self._line = 1
        self._counted = 0
        self._ended = False

    def values(self) -> Iterator[Value]:
        self._expect("[")
        number = 0
        if self._peek() == "]":
            self._place += 1
        else:
            while True:
                number += 1
                self._peek()
                where = f"{at_line(self._path, self._line_here())} (row {number})"
                yield Value(self._value(), number, where, in_array=True)
                if self._expect(",]") == "]":
                    break
        if self._peek():
            raise _not_values(at_line(self._path, self._line_here()), "text after the end of the array")

    def _value(self) -> Any:
        """Decode the value at the current place, reading more text until the value is complete."""
        while True:
            try:
                body, self._place = _DECODER.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                cut_short = error.msg.startswith("Unterminated") or error.pos + _LONGEST_WORD >= len(self._buffer)
                length = len(self._buffer) - self._place
                # At least doubled each time, so that a long value is decoded a few times, not once for each piece.
                if cut_short and length <= LONGEST_VALUE and self._more(max(self._at_once, length)):
                    continue
                where = at_line(self._path, self._line_at(error.pos))
                if cut_short and length > LONGEST_VALUE:
                    raise _not_values(where, f"one value is longer than {LONGEST_VALUE} characters") from None
                raise _not_values(where, error.msg) from None
            # ValueError: a number with more digits than Python parses.
            except (RecursionError, ValueError) as error:
                where = at_line(self._path, self._line_here())
                raise not_json(where, error, next_step=_FORM) from None
            return body

    def _expect(self, marks: str) -> str:
        character = self._peek()
        if not character or character not in marks:
            wanted = " or ".join(map(repr, marks))
            found = repr(character) if character else "the end of the file"
            raise _not_values(at_line(self._path, self._line_here()), f"expected {wanted}, got {found}")
        self._place += 1
        return character

    def _peek(self) -> str:
        """Skip blanks and return the next character without consuming it; empty at the end of the file."""
        while True:
            blank = _BLANK.match(self._buffer, self._place)
            self._place = blank.end() if blank else self._place
            if self._place < len(self._buffer) or not self._more(self._at_once):
                return self._buffer[self._place : self._place + 1]

    def _more(self, n_characters: int) -> bool:
        """Read at least ``n_characters`` more characters, or up to the end of the file; False if already at the end."""
        if self._ended:
            return False
        self._line, self._counted = self._line_here(), 0
        pieces = [self._buffer[self._place :]]
        self._place = 0
        for piece in self._pieces:
            pieces.append(piece)
            n_characters -= len(piece)
            if n_characters <= 0:
                break
        else:
            self._ended = True
        self._buffer = "".join(pieces)
        return True

    def _line_here(self) -> int:
        self._line = self._line_at(self._place)
        self._counted = self._place
        return self._line

    def _line_at(self, place: int) -> int:
        return self._line + self._buffer.count("\n", self._counted, place)

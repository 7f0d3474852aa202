"""word2vec text, with or without a header, and fastText ``.vec``, which is the same format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.lexicon.word_vectors.format_detection import BOM, header_of, is_number, trailing_numbers
from ssmi.pipeline.lexicon.word_vectors.reading import (
    CARRIAGE_RETURN,
    FORMATS,
    ROWS_AT_ONCE,
    Block,
    Matrix,
    VectorReader,
)

_LONGEST_LINE = 1 << 20
_HEAD = 10
"""Number of rows that determine the width."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: bytes


class TextReader(VectorReader):
    """Reader of text with one row per line: the word, which may contain blanks, then the numbers."""

    format = "word2vec text"

    def _blocks(self) -> Iterator[Block]:
        lines = self._lines()
        first = next(lines, _Line(1, b""))
        header = header_of(first.text)
        if first.text.startswith(BOM):
            self.repairs["byte order mark"] += 1
            self.encoding = "utf-8"
            first = _Line(1, first.text.removeprefix(BOM))
        rows = (line for line in (lines if header else chain([first], lines)) if line.text.strip())
        head = list(islice(rows, _HEAD))
        self.width = self._agreed_width(head, header)
        self.n_in_header = header[0] if header else None
        if header is None:
            self.repairs["header missing"] += 1
        elif header[1] != self.width:
            self.repairs["header names another width"] += 1
        words: list[str] = []
        numbers: list[list[float]] = []
        for line in chain(head, rows):
            self.n_rows += 1
            row = self._row(line)
            if row is not None:
                words.append(row[0])
                numbers.append(row[1])
                if len(words) == ROWS_AT_ONCE:
                    yield words, _matrix(numbers)
                    words, numbers = [], []
        if header is not None and header[0] != self.n_rows:
            self.repairs["header counts other rows"] += 1
        if words:
            yield words, _matrix(numbers)

    def _lines(self) -> Iterator[_Line]:
        number = 0
        # Bounded, so that a file without line ends is refused instead of held in memory.
        while line := self.file.stream.readline(_LONGEST_LINE):
            number += 1
            if number == 1 and b"\r" in line.rstrip() and b"\n" not in line:
                raise InputDataError(
                    f"{self.file.display_name}: its lines end in carriage returns (CR) alone",
                    next_step="end them with line feeds: tr '\\r' '\\n'",
                )
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                raise InputDataError(f"{self._at(number)}: over {_LONGEST_LINE} bytes", next_step=f"name {FORMATS}")
            yield _Line(number, line)

    def _at(self, number: int) -> str:
        return at_line(self.file.display_name, number)

    def _agreed_width(self, head: list[_Line], header: tuple[int, int] | None) -> int:
        """Return the header's width if enough of the first rows have it or there is one row, else the most common."""
        if not head:
            raise InputDataError(f"{self.file.display_name}: holds no vectors", next_step=f"name {FORMATS}")
        widths = [trailing_numbers(line.text.split()) for line in head]
        if not any(widths):
            raise InputDataError(f"{self._at(head[0].number)}: no word with its numbers", next_step=f"name {FORMATS}")
        counts = Counter(width for width in widths if width)
        named = header[1] if header is not None else 0
        if named and (len(head) == 1 or counts[named] > 1 or counts[named] == max(counts.values())):
            return named
        return counts.most_common(1)[0][0]

    def _row(self, line: _Line) -> tuple[str, list[float]] | None:
        """Split a line at the first blank, or before the numbers if the word contains blanks; None for a dropped row.

        Wide spaces belong to words.
        """
        word, _, rest = line.text.partition(b" ")
        values = rest.split()
        if len(values) != self.width:
            word, values = self._with_blanks(line.text)
        reason = "wrong width" if not values else CARRIAGE_RETURN if b"\r" in word else "" if word else "empty word"
        if not reason:
            try:
                return self.decoded(word, at=self._at(line.number)), list(map(float, values))
            except ValueError:
                reason = "not a number"
        self.drop(reason, at=self._at(line.number))
        return None

    def _with_blanks(self, line: bytes) -> tuple[bytes, list[bytes]]:
        """Split off a word that contains blanks or ends with a tab; without values if the row has another width."""
        word, *values = line.rsplit(None, self.width)
        _, blank, last = word.rpartition(b" ")
        # A surplus number is not part of the word, except a whole number: "iPhone 4" is a word.
        if len(values) < self.width or (blank and is_number(last) and not last.isdigit()):
            return word, []
        if blank and is_number(values[0]):
            self.repairs["words with blanks"] += 1
        return word, values


def _matrix(numbers: list[list[float]]) -> Matrix:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and the vocabulary drops its word
        return np.array(numbers, dtype=np.float64).astype(np.float32)

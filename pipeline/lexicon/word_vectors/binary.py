"""word2vec binary: a header line, then for each word its text, a blank and its little-endian float32 numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors.format_detection import header_of
from ssmi.pipeline.lexicon.word_vectors.reading import FORMATS, ROWS_AT_ONCE, Block, VectorReader

# Longer than the longest word with the widest vector, so that a single read always completes a row.
_CHUNK = 1 << 20
_LONGEST_WORD = 1 << 12
_WIDEST = 1 << 16


class BinaryReader(VectorReader):
    """Reader of word2vec binary. Some writers end rows with a newline, so newlines before a word are skipped."""

    format = "word2vec binary"

    def _blocks(self) -> Iterator[Block]:
        stream = self.file.stream
        # Bounded, because binary data without a line feed would be read whole.
        first = stream.readline(_LONGEST_WORD)
        n_words, self.width = header_of(first) or (0, 0)
        self.n_in_header = n_words
        if n_words < 1 or not 0 < self.width <= _WIDEST:
            raise InputDataError(
                f"{self.file.display_name}: holds no vectors (header {n_words} {self.width})",
                next_step=f"name {FORMATS}",
            )
        n_bytes = self.file.path.stat().st_size
        # Detected before any row is read; the size of a packed file does not tell.
        if not self.file.container and n_words * (4 * self.width + 1) > n_bytes:
            raise self._truncated()
        self._buffer, self._at, self._before = b"", 0, len(first)
        for start in range(0, n_words, ROWS_AT_ONCE):
            rows = [self._row() for _ in range(min(ROWS_AT_ONCE, n_words - start))]
            self.n_rows += len(rows)
            matrix = np.frombuffer(b"".join(numbers for _, numbers in rows), dtype="<f4").reshape(-1, self.width)
            yield [word for word, _ in rows], matrix.astype(np.float32)
        if (self._buffer[self._at :] + stream.read(_CHUNK)).lstrip(b"\n"):
            raise InputDataError(
                f"{self.file.display_name}: more bytes after byte {self._place}, "
                f"where the {n_words} words of its header end",
                next_step="fetch it again",
            )

    @property
    def _place(self) -> int:
        """Number of bytes of the unpacked file consumed so far."""
        return self._before + self._at

    def _row(self) -> tuple[str, bytes]:
        """Read the next word, and its numbers as bytes."""
        blank = self._buffer.find(b" ", self._at, self._at + _LONGEST_WORD)
        if blank < 0 or len(self._buffer) < blank + 1 + 4 * self.width:
            self._before += self._at
            self._buffer, self._at = self._buffer[self._at :] + self.file.stream.read(_CHUNK), 0
            blank = self._buffer.find(b" ", 0, _LONGEST_WORD)
            if blank < 0 and len(self._buffer) >= _LONGEST_WORD:
                raise InputDataError(
                    f"{self.file.display_name}: no word ends within {_LONGEST_WORD} bytes of byte {self._place}",
                    next_step="fetch it again",
                )
            if blank < 0 or len(self._buffer) < blank + 1 + 4 * self.width:
                raise self._truncated()
        word = self._buffer[self._at : blank].lstrip(b"\n")
        numbers = self._buffer[blank + 1 : blank + 1 + 4 * self.width]
        at = f"{self.file.display_name}: byte {self._place}"
        self._at = blank + 1 + 4 * self.width
        return self.decoded(word, at=at), numbers

    def _truncated(self) -> InputDataError:
        return InputDataError(
            f"{self.file.display_name}: ends at byte {self.file.path.stat().st_size}, before the last of the "
            f"{self.n_in_header} x {self.width} vectors of its header",
            next_step="fetch it again",
        )

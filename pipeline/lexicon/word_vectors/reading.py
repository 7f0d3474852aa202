"""Base of the vector file readers: statistics of the rows, decoding of words, and refusal of bad files."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.text.wording import is_or_are
from ssmi.pipeline.lexicon.word_vectors.unpacking import Unpacked

Matrix = npt.NDArray[np.float32]
Block = tuple[list[str], Matrix]
"""Words and their vectors, shape (words, d)."""

ROWS_AT_ONCE = 1024
FORMATS = "word2vec text or binary or fastText .vec (.gz, .bz2, .xz, .zip, .tar too), or fastText .bin"
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)
"""Errors that the libraries raise for containers that are truncated, damaged or packed in an unknown way."""

_MAX_WRONG_SHARE = 0.01
CARRIAGE_RETURN = "carriage return"
"""Reason to drop a row: it has a CR inside, so it is several rows of a file whose lines end in CR alone."""
_FEW = 10
_HOPELESS_FROM = 8 * ROWS_AT_ONCE


class VectorReader(ABC):
    """Reader of a vector file. All counts refer to the rows read so far."""

    format: str

    def __init__(self, file: Unpacked, *, encoding: str) -> None:
        self.file = file
        self.encoding = encoding
        self.width = 0
        self.n_rows = 0
        """Number of rows read, including dropped rows."""
        self.n_in_header: int | None = None
        """Number of rows that the file declares; None without a header."""
        self.ended = False
        """Whether all rows were read."""
        self.repairs: Counter[str] = Counter()
        """Number of repairs, by reason; empty for a clean file."""
        self.dropped: Counter[str] = Counter()
        """Number of rows left out of the blocks, by reason."""
        self._wrong_at = ""
        self._wrong_because = ""
        self._bad_at = ""
        self._n_foreign = self._n_utf8 = 0

    def blocks(self) -> Iterator[Block]:
        """Yield all rows in the order of the file, a block at a time. Reading may stop at any block."""
        try:
            for block in self._blocks():
                if self.n_rows >= _HOPELESS_FROM:  # refuse a large hopeless file without reading it to its end
                    self._check_quality(max_share=0.5)
                yield block
        except DAMAGE as error:
            raise self.file.damaged(error) from error
        self.ended = True

    @abstractmethod
    def _blocks(self) -> Iterator[Block]: ...

    def check_quality(self) -> None:
        """Refuse the file if too many of the rows read are wrong, or if their words have another encoding."""
        self._check_quality(max_share=_MAX_WRONG_SHARE)

    def _check_quality(self, *, max_share: float) -> None:
        n_wrong = sum(self.dropped.values())
        if n_wrong > max_share * self.n_rows:
            what, step = f"not {self.width} numbers", "words and numbers are separated by spaces"
            if self._wrong_because == CARRIAGE_RETURN:
                what, step = "a carriage return (CR) inside the row", "every row ends in a line feed (LF)"
            raise InputDataError(
                f"{self._wrong_at}: {what}; {n_wrong} of {self.n_rows} rows {is_or_are(n_wrong)} wrong",
                next_step=f"fix or fetch the file again; {step}",
            )
        n_bad = self.repairs["bad bytes"]
        # In a small file one or two bad words exceed the share, although the encoding is right.
        if n_bad > max_share * self.n_rows and (n_bad >= _FEW or 2 * n_bad > self.n_rows):
            another = "gb18030 (GBK)" if self.encoding.lower() in ("utf-8", "utf8") else "utf-8"
            raise InputDataError(
                f"{self._bad_at}: the word is not {self.encoding}, as {n_bad} of {self.n_rows} words are not",
                next_step=f"name the file's encoding, for example -S vocab.encoding={another.split()[0]}"
                + (", which reads GBK too" if "GBK" in another else ""),
            )
        # A wrong encoding may decode without an error, but it shows if all words are valid UTF-8.
        if self._n_foreign >= _FEW and self._n_utf8 == self._n_foreign:
            raise InputDataError(
                f"{self.file.display_name}: every word is UTF-8, vocab.encoding says {self.encoding}",
                next_step="-S vocab.encoding=utf-8",
            )

    def drop(self, reason: str, *, at: str) -> None:
        """Count a row as dropped; ``at`` is its place, for error messages."""
        self.dropped[reason] += 1
        self._wrong_because = self._wrong_because or reason
        self._wrong_at = self._wrong_at or at

    def decoded(self, word: bytes, *, at: str) -> str:
        """Decode a word; undecodable bytes become U+FFFD and the word is counted. ``at`` is its place, for errors."""
        try:
            text = word.decode(self.encoding)
        except UnicodeDecodeError:
            self.repairs["bad bytes"] += 1
            self._bad_at = self._bad_at or at
            return word.decode(self.encoding, "replace")
        if self.encoding != "utf-8" and not word.isascii():
            self._n_foreign += 1
            self._n_utf8 += _is_utf8(word)
        return text


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

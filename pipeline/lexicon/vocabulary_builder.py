"""Build a vocabulary: keep the words that may be boundaries, and write their vectors to disk at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.columns import is_run_start
from ssmi.pipeline.features.trie import Trie
from ssmi.pipeline.features.vocabulary import FloatMatrix, IntArray, normalised
from ssmi.pipeline.lexicon.trie_file import save_trie
from ssmi.pipeline.lexicon.vocabulary_files import (
    CHARACTER_BOUNDARIES_FILE,
    CHARACTERS_FILE,
    TRIE_FILE,
    VECTORS_FILE,
    WORDS_FILE,
)

_STRINGS_AT_ONCE = 4096
# Unified ideographs with extensions A-H, compatibility ideographs, and the iteration and zero marks.
CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\u3007\U00020000-\U0003134f]")


class VocabularyBuilder:
    """Writes a vocabulary into a folder, block by block; words that are not kept are never stored.

    A word is kept if it has ``min_word_len`` to ``max_word_len`` characters, at least one of them CJK, has a finite
    non-zero vector and is not a duplicate. Words are kept in the order given, up to ``max_words``. Only the words are
    held in memory.
    """

    def __init__(self, folder: Path, *, min_word_len: int, max_word_len: int, max_words: int | None = None) -> None:
        self._folder = folder
        self._min_word_len = min_word_len
        self._max_word_len = max_word_len
        self._max_words = max_words
        self._vectors: _GrowingArray | None = None
        self.words: dict[str, None] = {}
        """The words kept, in the order of their boundary ids."""
        self.dropped: Counter[str] = Counter()
        """Number of rows left out, by reason."""

    @property
    def full(self) -> bool:
        """Whether ``max_words`` words are kept."""
        return self._max_words is not None and len(self.words) >= self._max_words

    def rejection_reason(self, word: str) -> str:
        """Return the reason why a word cannot be a boundary, whatever its vector; empty if it can."""
        if len(word) < self._min_word_len:
            return "too-short"
        if len(word) > self._max_word_len:
            return "too-long"
        # Readers replace undecodable bytes by U+FFFD, so the original word was a different one.
        if "\ufffd" in word:
            return "bad-bytes"
        return "" if CJK.search(word) else "no-cjk"

    def add(self, words: Sequence[str], matrix: FloatMatrix) -> None:
        """Add a block of words, keeping those that qualify; ``matrix`` has shape (words, d)."""
        finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(matrix).all(axis=1))
        nonzero: npt.NDArray[np.bool_] = np.asarray(matrix.any(axis=1))
        kept: list[int] = []
        for row, word in enumerate(words):
            reason = self.rejection_reason(word)
            if not reason and word in self.words:
                reason = "duplicate"
            if not reason and not finite[row]:
                reason = "not-finite"
            if not reason and not nonzero[row]:
                reason = "zero-vector"
            if not reason and self.full:
                reason = "over-max-words"
            if reason:
                self.dropped[reason] += 1
                continue
            self.words[word] = None
            kept.append(row)
        self._append(matrix[kept])

    def add_over_limit(self, words: Sequence[str], matrix: FloatMatrix) -> None:
        """Add words even if the vocabulary is full. No word may be kept already or have a ``rejection_reason``."""
        self.words.update(dict.fromkeys(words))
        self._append(matrix)

    def vectors(self, n: int) -> FloatMatrix:
        """Return the unit vectors of the first ``n`` words. Shape: (at most n, d)."""
        if self._vectors is None:
            return np.zeros((0, 0), dtype=np.float32)
        return self._vectors.rows(1, n)

    def finish(self) -> int:
        """Complete the vectors (row 0 is "no boundary"), and write words, trie and character index.

        The memory of the words is freed first: building the trie of two million words takes 0.8 GB.

        Returns:
            The number of words.
        """
        if self._vectors is not None:
            self._vectors.finish()
        words = pa.array(list(self.words), pa.string())
        self.words = {}
        _save_words(self._folder, words)
        return len(words)

    def __enter__(self) -> VocabularyBuilder:
        """Close the file of vectors when the block ends, even if ``finish`` was not reached."""
        return self

    def __exit__(self, *_: object) -> None:
        if self._vectors is not None:
            self._vectors.close()

    def _append(self, matrix: FloatMatrix) -> None:
        if self._vectors is None:
            self._vectors = _GrowingArray(self._folder / VECTORS_FILE, width=matrix.shape[1])
            self._vectors.append(np.zeros((1, matrix.shape[1]), dtype=np.float32))
        self._vectors.append(normalised(matrix))


def _save_words(folder: Path, words: pa.StringArray) -> None:
    """Write the files that follow from the distinct words alone: their table, the character index and the trie."""
    ids = pa.array(np.arange(1, len(words) + 1, dtype=np.int32))
    table = pa.Table.from_arrays([ids, words], schema=schema.VOCABULARY)
    tables.write_table(folder / WORDS_FILE, schema.VOCABULARY, table)
    characters, offsets, boundaries = index_characters(words)
    columns = [pa.array(characters, pa.string()), pa.array(offsets[:-1]), pa.array(offsets[1:])]
    tables.write_table(
        folder / CHARACTERS_FILE, schema.CHARACTER_INDEX, pa.Table.from_arrays(columns, schema=schema.CHARACTER_INDEX)
    )
    np.save(folder / CHARACTER_BOUNDARIES_FILE, boundaries, allow_pickle=False)
    save_trie(Trie.build(_Strings(words)), folder / TRIE_FILE)


def index_characters(words: pa.StringArray) -> tuple[list[str], npt.NDArray[np.int64], IntArray]:
    """Build CSR arrays (characters, offsets, boundary ids): characters sorted, the ids of each ascending."""
    lengths = pc.utf8_length(words).to_numpy()
    data = words.buffers()[2]
    # All words concatenated; the buffer may be longer.
    text = data.to_pybytes()[: sum(pc.binary_length(words).to_numpy())].decode() if data is not None else ""
    # (code point, word) as one 64-bit number: a plain sort then orders millions of pairs without Python objects.
    pairs = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64) << np.uint64(32)
    pairs |= np.repeat(np.arange(1, len(words) + 1, dtype=np.uint64), lengths)
    pairs.sort()
    pairs = pairs[is_run_start(pairs)]  # a character that occurs twice in a word counts once
    codes = (pairs >> np.uint64(32)).astype(np.uint32)
    starts = np.flatnonzero(is_run_start(codes))
    offsets = np.append(starts, len(pairs)).astype(np.int64)
    return [chr(code) for code in codes[starts]], offsets, (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)


class _Strings(Sequence[str]):
    """An Arrow column as a sequence of Python strings, of which iteration holds a few thousand at a time."""

    def __init__(self, column: pa.StringArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        value = self._column[index]
        return list(value.to_pylist()) if isinstance(index, slice) else str(value.as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _STRINGS_AT_ONCE):
            yield from self._column[start : start + _STRINGS_AT_ONCE].to_pylist()


class _GrowingArray:
    """A ``.npy`` file of float32 rows that grows by appending; once finished, byte for byte what ``np.save`` writes."""

    def __init__(self, path: Path, *, width: int) -> None:
        self._width = width
        self._n_rows = 0
        self._stream: BinaryIO = path.open("w+b")
        self._write_header()
        self._start = self._stream.tell()

    def append(self, matrix: FloatMatrix) -> None:
        """Write rows of shape (n, width)."""
        # Little-endian on every machine, as the header says.
        self._stream.write(np.ascontiguousarray(matrix, dtype="<f4").data)
        self._n_rows += len(matrix)

    def rows(self, start: int, n: int) -> FloatMatrix:
        """Return rows already written. Shape: (at most n, width)."""
        self._stream.seek(self._start + start * self._width * 4)
        n = max(0, min(n, self._n_rows - start))
        rows = np.frombuffer(self._stream.read(n * self._width * 4), dtype="<f4").reshape(n, self._width)
        self._stream.seek(0, 2)
        return rows

    def finish(self) -> None:
        """Write the number of rows into the header, in which numpy reserves room for it."""
        self._stream.seek(0)
        self._write_header()
        # A longer header would have overwritten the first row.
        if self._stream.tell() != self._start:
            raise SsmiError(f"{self._stream.name}: {self._n_rows} rows", next_step="report this as a bug")

    def close(self) -> None:
        """Close the file without updating its header."""
        self._stream.close()

    def _write_header(self) -> None:
        about = {"descr": "<f4", "fortran_order": False, "shape": (self._n_rows, self._width)}
        np.lib.format.write_array_header_1_0(self._stream, about)

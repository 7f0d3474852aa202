"""The pre-trained vocabulary V: which words are kept, and the index character → boundaries (paper: W(c_i))."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.contract import schema, tables
from pipeline.features.trie import Trie

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

MIN_WORD_LEN = 2
# Unified ideographs with extensions A-H, compatibility ideographs, and the iteration and zero marks.
CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\u3007\U00020000-\U0003134f]")

WORDS_FILE = "words.parquet"
VECTORS_FILE = "vectors.npy"
TRIE_FILE = "trie.bin"
CHARACTERS_FILE = "characters.parquet"
CHARACTER_BOUNDARIES_FILE = "character_boundaries.npy"


def keep_words(
    words: Sequence[str], matrix: FloatMatrix, *, max_word_len: int, max_words: int | None
) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Rows that become the vocabulary, in the file's order, and how many were dropped for which reason.

    Kept: 2 to ``max_word_len`` characters with at least one CJK character, the first of duplicates, a finite non-zero
    vector. ``matrix`` has shape (words, d).
    """
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(matrix).all(axis=1))
    nonzero: npt.NDArray[np.bool_] = np.asarray(matrix.any(axis=1))
    kept: list[int] = []
    seen: set[str] = set()
    dropped: Counter[str] = Counter()
    for row, word in enumerate(words):
        reason = _why_not(word, max_word_len=max_word_len)
        if not reason and word in seen:
            reason = "duplicate"
        if not reason and not finite[row]:
            reason = "not-finite"
        if not reason and not nonzero[row]:
            reason = "zero-vector"
        if not reason and max_words is not None and len(kept) >= max_words:
            reason = "over-max-words"
        if reason:
            dropped[reason] += 1
            continue
        seen.add(word)
        kept.append(row)
    return np.asarray(kept, dtype=np.int64), dict(sorted(dropped.items()))


def _why_not(word: str, *, max_word_len: int) -> str:
    if len(word) < MIN_WORD_LEN:
        return "too-short"
    if len(word) > max_word_len:
        return "too-long"
    if "\ufffd" in word:
        return "bad-bytes"
    return "" if CJK.search(word) else "no-cjk"


def normalised(matrix: FloatMatrix) -> FloatMatrix:
    """Rows of length one; a zero row stays zero."""
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=-1, keepdims=True)
    return (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def index_characters(words: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64], IntArray]:
    """CSR arrays (characters, offsets, boundary ids): characters sorted, each stretch of ids ascending."""
    by_character: dict[str, list[int]] = {}
    for boundary_id, word in enumerate(words, start=1):
        for character in dict.fromkeys(word):
            by_character.setdefault(character, []).append(boundary_id)
    characters = sorted(by_character)
    lengths = [len(by_character[character]) for character in characters]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = [boundary_id for character in characters for boundary_id in by_character[character]]
    return characters, offsets, np.asarray(ids, dtype=np.int32)


@dataclass(frozen=True)
class Vocabulary(Mapping[str, int]):
    """An opened vocabulary: word → boundary id, its vectors, trie and character index.

    ``vectors`` has shape (words + 1, d), rows of length one, row 0 all zero; it is memory-mapped, so the processes of
    one machine share a copy.
    """

    words: Sequence[str]
    vectors: FloatMatrix
    trie: Trie
    _ids: Mapping[str, int]
    _stretches: Mapping[str, tuple[int, int]]
    _boundaries: IntArray

    def __getitem__(self, word: str) -> int:
        return self._ids[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __len__(self) -> int:
        return len(self.words)

    def __hash__(self) -> int:
        return id(self)

    def boundaries_of(self, character: str) -> IntArray:
        """Ids of all words that hold ``character``, ascending. Shape: (candidates,)."""
        start, end = self._stretches.get(character, (0, 0))
        return self._boundaries[start:end]


def save_vocabulary(folder: Path, *, words: Sequence[str], matrix: FloatMatrix) -> None:
    """Write words, normalised vectors (row 0 is "no boundary"), trie and character index into ``folder``."""
    rows = [{"boundary_id": index, "word": word} for index, word in enumerate(words, start=1)]
    tables.write_rows(folder / WORDS_FILE, schema.VOCABULARY, rows)
    with_none = np.vstack([np.zeros((1, matrix.shape[1]), dtype=np.float32), normalised(matrix)])
    np.save(folder / VECTORS_FILE, with_none, allow_pickle=False)
    Trie.build(words).save(folder / TRIE_FILE)
    characters, offsets, boundaries = index_characters(words)
    stretches = [
        {"character": character, "start": int(start), "end": int(end)}
        for character, start, end in zip(characters, offsets[:-1], offsets[1:], strict=True)
    ]
    tables.write_rows(folder / CHARACTERS_FILE, schema.CHARACTER_INDEX, stretches)
    np.save(folder / CHARACTER_BOUNDARIES_FILE, boundaries, allow_pickle=False)


def open_vocabulary(folder: Path, *, digest: str) -> Vocabulary:
    """Open the vocabulary of ``folder`` once a process; ``digest`` (of its manifest) tells versions apart."""
    return _open(folder, digest)


@lru_cache(maxsize=2)
def _open(folder: Path, digest: str) -> Vocabulary:
    words = tables.read_table(folder / WORDS_FILE, schema.VOCABULARY)["word"].to_pylist()
    stretches = tables.read_table(folder / CHARACTERS_FILE, schema.CHARACTER_INDEX).to_pydict()
    return Vocabulary(
        words=words,
        # as plain arrays: every view of a memory map of numpy's own class costs a Python call
        vectors=np.asarray(np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)),
        trie=Trie.open(folder / TRIE_FILE),
        _ids={word: index for index, word in enumerate(words, start=1)},
        _stretches={
            character: (start, end)
            for character, start, end in zip(stretches["character"], stretches["start"], stretches["end"], strict=True)
        },
        _boundaries=np.asarray(np.load(folder / CHARACTER_BOUNDARIES_FILE, mmap_mode="r", allow_pickle=False)),
    )

"""The pre-trained vocabulary V, opened: words, vectors and the index character → boundaries (paper: W(c_i))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.features.trie import Trie

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

WORDS_FILE = "words.parquet"
VECTORS_FILE = "vectors.npy"
TRIE_FILE = "trie.bin"
CHARACTERS_FILE = "characters.parquet"
CHARACTER_BOUNDARIES_FILE = "character_boundaries.npy"


def normalised(matrix: FloatMatrix) -> FloatMatrix:
    """Rows of length one; a zero row stays zero."""
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=-1, keepdims=True)
    return (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)


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

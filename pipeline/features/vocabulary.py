"""The pre-trained vocabulary V, opened: words, vectors and the index character → boundaries (paper: W(c_i))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.features.trie import Trie

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def normalised(matrix: FloatMatrix) -> FloatMatrix:
    """Rows of length one; a zero row stays zero."""
    # float64: a length summed in float32 would be off in its last digits, and a cosine of a word with itself not 1.
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
        # By identity: a dataclass would hash its fields, and arrays have no hash.
        return id(self)

    def id_of(self, word: str) -> int:
        """The boundary id of a word; 0 for any other text."""
        return self._ids.get(word, 0)

    def boundaries_of(self, character: str) -> IntArray:
        """Ids of all words that hold ``character``, ascending. Shape: (candidates,)."""
        start, end = self._stretches.get(character, (0, 0))
        return self._boundaries[start:end]

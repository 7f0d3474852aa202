"""The opened pre-trained vocabulary V: words, vectors and the index from characters to boundaries (paper: W(c_i))."""

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
    """Scale each row to unit length; a zero row stays zero."""
    # float64: float32 sums would be off in the last digits, and the cosine of a word with itself would not be 1.
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=-1, keepdims=True)
    return (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)


@dataclass(frozen=True)
class Vocabulary(Mapping[str, int]):
    """An opened vocabulary: a mapping from words to boundary ids, with vectors, trie and character index.

    Attributes:
        words: The words, in the order of their boundary ids.
        vectors: Unit vectors by boundary id; row 0 is all zero. Memory-mapped, so that the processes of one machine
            share a copy. Shape: (words + 1, d)
        trie: The automaton over the words.
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
        # By identity: a dataclass would hash its fields, but arrays cannot be hashed.
        return id(self)

    def id_of(self, word: str) -> int:
        """Return the boundary id of a word, or 0 if the text is not in the vocabulary."""
        return self._ids.get(word, 0)

    def boundaries_of(self, character: str) -> IntArray:
        """Return the ids of all words that contain ``character``, ascending. Shape: (candidates,)."""
        start, end = self._stretches.get(character, (0, 0))
        return self._boundaries[start:end]

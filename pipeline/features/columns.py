"""Sentences and their vocabulary words as columns: many sentences in one text, numbers in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.offsets import offsets_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SentenceColumns:
    """Sentences concatenated in one text.

    Attributes:
        text: The text of all sentences.
        offsets: The position in ``text`` of each sentence's first character, then the text's length.
            Shape: (sentences + 1,)
    """

    text: str
    offsets: Ints

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> SentenceColumns:
        """Join sentences, each given as a string or as characters of one code point."""
        texts = ["".join(sentence) for sentence in sentences]
        return cls("".join(texts), offsets_of([len(text) for text in texts]))

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.offsets) - 1

    @property
    def texts(self) -> list[str]:
        """The sentences."""
        return [self.text[start:end] for start, end in pairwise(self.offsets.tolist())]

    @cached_property
    def codes(self) -> Ints:
        """The code point of each character. Shape: (characters,)."""
        return np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)

    def sentence_of(self, positions: Ints) -> Ints:
        """Return the index of the sentence that contains each position. Shape: that of ``positions``."""
        return np.searchsorted(self.offsets, positions, side="right") - 1


@dataclass(frozen=True, slots=True)
class MatchColumns:
    """Vocabulary words inside sentences, sorted by (start, end). Each array has shape (matches,).

    Attributes:
        starts: Position of each word's first character in ``SentenceColumns.text``.
        ends: End of each word, exclusive.
        ids: Boundary ids of the words.
    """

    starts: Ints
    ends: Ints
    ids: Ints

    def offsets(self, sentences: SentenceColumns) -> Ints:
        """Return the index of each sentence's first match, then the number of matches. Shape: (sentences + 1,)."""
        return np.searchsorted(self.starts, sentences.offsets)

    def within(self, sentences: SentenceColumns) -> MatchColumns:
        """Return the matches with positions relative to the first character of their sentence."""
        first = sentences.offsets[sentences.sentence_of(self.starts)]
        return MatchColumns(self.starts - first, self.ends - first, self.ids)

    def between(self, start: int, end: int) -> MatchColumns:
        """Return the matches from index ``start`` to ``end`` (exclusive) of the arrays."""
        return MatchColumns(self.starts[start:end], self.ends[start:end], self.ids[start:end])

    def where(self, wanted: npt.NDArray[np.bool_]) -> MatchColumns:
        """Return the matches for which ``wanted`` is true. Shape of ``wanted``: (matches,)."""
        return MatchColumns(self.starts[wanted], self.ends[wanted], self.ids[wanted])


def is_run_start(sorted_values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Flag each value that differs from its predecessor; the first value is always flagged."""
    first = np.ones(len(sorted_values), dtype=np.bool_)
    first[1:] = sorted_values[1:] != sorted_values[:-1]
    return first

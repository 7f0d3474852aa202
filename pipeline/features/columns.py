"""Sentences and their vocabulary words as columns: one text for many sentences, numbers in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SentenceColumns:
    """Sentences one after the other in one text.

    ``offsets``: the position in ``text`` of each sentence's first character, then the text's length.
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
        """How many sentences."""
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
        """The sentence in which each position lies. Shape: that of ``positions``."""
        return np.searchsorted(self.offsets, positions, side="right") - 1


@dataclass(frozen=True, slots=True)
class MatchColumns:
    """Vocabulary words inside sentences, sorted by (start, end). Each array has shape (matches,).

    ``starts``, ``ends``: half-open positions in ``SentenceColumns.text``; ``ids``: boundary ids.
    """

    starts: Ints
    ends: Ints
    ids: Ints

    def offsets(self, sentences: SentenceColumns) -> Ints:
        """Where the matches of each sentence begin, and where the last ones end. Shape: (sentences + 1,)."""
        return np.searchsorted(self.starts, sentences.offsets)

    def within(self, sentences: SentenceColumns) -> MatchColumns:
        """The same with positions counted from the first character of the match's sentence."""
        first = sentences.offsets[sentences.sentence_of(self.starts)]
        return MatchColumns(self.starts - first, self.ends - first, self.ids)

    def between(self, start: int, end: int) -> MatchColumns:
        """Those from one place in the arrays to another."""
        return MatchColumns(self.starts[start:end], self.ends[start:end], self.ids[start:end])

    def where(self, wanted: npt.NDArray[np.bool_]) -> MatchColumns:
        """Those at the places that are true. Shape of ``wanted``: (matches,)."""
        return MatchColumns(self.starts[wanted], self.ends[wanted], self.ids[wanted])


def offsets_of(lengths: Sequence[int] | npt.NDArray[np.integer]) -> Ints:
    """Where stretches of these lengths begin when they lie one after the other, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def indices_of(starts: Ints, lengths: Ints) -> Ints:
    """The indices of many stretches, one stretch after the other. Shape: (sum of ``lengths``,)."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)


def is_first(sorted_values: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether each value differs from the one before it."""
    first = np.ones(len(sorted_values), dtype=np.bool_)
    first[1:] = sorted_values[1:] != sorted_values[:-1]
    return first

"""Every vocabulary word inside a text. The automaton is daachorse's, which only this module imports."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import cast

import daachorse
import numpy as np

from ssmi.pipeline.features.columns import MatchColumns, SentenceColumns


class Trie:
    """Character-wise double-array automaton over the vocabulary; boundary id = index in ``words`` + 1."""

    def __init__(self, automaton: daachorse.CharwiseDoubleArrayAhoCorasick) -> None:
        self._automaton = automaton

    @classmethod
    def build(cls, words: Sequence[str]) -> Trie:
        """Build from distinct words in boundary-id order; each is read once."""
        # Cast, not copied: the words may be an Arrow column whose strings live one stretch at a time.
        return cls(daachorse.CharwiseDoubleArrayAhoCorasick(cast(list[str], words)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Trie:
        """Rebuild from what ``to_bytes`` gave; raises ValueError for other bytes."""
        return cls(daachorse.CharwiseDoubleArrayAhoCorasick.deserialize(data))

    def to_bytes(self) -> bytes:
        """The automaton in daachorse's serialization."""
        return bytes(self._automaton.serialize())

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """``(start, end, boundary_id)`` of every word in ``text``, half-open code points, sorted."""
        # An automaton reports words as they end; the contract has them by (start, end).
        return sorted((start, end, word + 1) for start, end, word in self._automaton.find_overlapping(text))

    def columns(self, sentences: SentenceColumns) -> MatchColumns:
        """Every word inside each of many sentences; the whole text is searched at once."""
        found = self._automaton.find_overlapping(sentences.text)
        flat = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found))
        starts, ends, words = flat.reshape(-1, 3).T
        # The search does not see where a sentence ends, so it also finds words across two of them.
        inside = ends <= sentences.offsets[sentences.sentence_of(starts) + 1]
        starts, ends, words = starts[inside], ends[inside], words[inside]
        # Words come as they end, of one end the longest first: only their starts are out of order.
        order = starts.argsort(kind="stable")
        return MatchColumns(starts[order], ends[order], words[order] + 1)

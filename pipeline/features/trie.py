"""Search for every vocabulary word inside a text. The only module that imports daachorse, whose automaton it uses."""

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
        """Build from distinct words in boundary-id order; ``words`` is iterated once."""
        # Cast, not copied: ``words`` may be an Arrow column that makes its strings a few thousand at a time.
        return cls(daachorse.CharwiseDoubleArrayAhoCorasick(cast(list[str], words)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Trie:
        """Rebuild from the result of ``to_bytes``; raises ValueError for other bytes."""
        return cls(daachorse.CharwiseDoubleArrayAhoCorasick.deserialize(data))

    def to_bytes(self) -> bytes:
        """Serialize the automaton in daachorse's format."""
        return bytes(self._automaton.serialize())

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """Return ``(start, end, boundary_id)`` of every word in ``text``: half-open code point positions, sorted."""
        # The automaton reports words in the order of their ends; the contract sorts them by (start, end).
        return sorted((start, end, word + 1) for start, end, word in self._automaton.find_overlapping(text))

    def columns(self, sentences: SentenceColumns) -> MatchColumns:
        """Find every word inside each of many sentences; the whole text is searched at once."""
        found = self._automaton.find_overlapping(sentences.text)
        flat = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found))
        starts, ends, words = flat.reshape(-1, 3).T
        # The search ignores where sentences end, so it also finds words that cross from one into the next.
        inside = ends <= sentences.offsets[sentences.sentence_of(starts) + 1]
        starts, ends, words = starts[inside], ends[inside], words[inside]
        # Words come in the order of their ends, the longest first if ends are equal: a stable sort by start suffices.
        order = starts.argsort(kind="stable")
        return MatchColumns(starts[order], ends[order], words[order] + 1)

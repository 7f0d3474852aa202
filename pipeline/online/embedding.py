"""Embed new segments: those outside the vocabulary that have no vector stored with the data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from cachetools import LRUCache

from ssmi.pipeline.features.alignment import LinearMap, SpanMeanAccumulator, isolated_vectors
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix, Vocabulary, normalised
from ssmi.pipeline.online.costs import CostCounter
from ssmi.pipeline.online.encoders import SENTENCES_AT_ONCE, OnlineEncoders
from ssmi.pipeline.online.segmenting import Segmented

SEGMENTS_AT_ONCE = 1024
LONGEST_REMEMBERED = 64
"""Code points. A longer segment (a base64 block, a line of one letter) rarely recurs and would fill the cache."""


class SegmentEmbedder:
    """Embeds new segments in the space in which segments outside the vocabulary are compared."""

    def __init__(
        self,
        encoders: OnlineEncoders,
        vocabulary: Vocabulary,
        stored: SegmentVectors | None,
        alignment: LinearMap | None,
        *,
        costs: CostCounter,
        max_vectors: int,
    ) -> None:
        """Create the embedder without opening the encoder.

        Args:
            encoders: The encoders, opened when a segment first needs one.
            vocabulary: The vocabulary, whose words are never new.
            stored: The segments that have a vector; None to treat all segments outside the vocabulary as new.
            alignment: The map to the vocabulary's space; None to compare in BERT's space.
            costs: Counter of the segments embedded and of the calls of the encoder.
            max_vectors: The maximum number of cached vectors.
        """
        self._encoders = encoders
        self._vocabulary = vocabulary
        self._stored = stored
        self._alignment = alignment
        self._costs = costs
        self._remembered: LRUCache[str, FloatArray] = LRUCache(max_vectors)

    def is_new(self, segment: str) -> bool:
        """Whether a segment is outside the vocabulary and has no stored vector."""
        return segment not in self._vocabulary and (self._stored is None or segment not in self._stored)

    def embed_alone(self, segments: Iterable[str]) -> dict[str, FloatArray]:
        """Return vectors of the new segments among ``segments``, each embedded without context. Shape of each: (d,)."""
        vectors: dict[str, FloatArray] = {}
        missing: list[str] = []
        for segment in segments:
            if self.is_new(segment):
                remembered = self._remembered.get(segment)
                if remembered is None:
                    missing.append(segment)
                else:
                    vectors[segment] = remembered
        # By length, so that similar lengths share passes; by text too, since the order of a set differs between runs.
        missing.sort(key=lambda segment: (len(segment), segment))
        for start in range(0, len(missing), SEGMENTS_AT_ONCE):
            batch = missing[start : start + SEGMENTS_AT_ONCE]
            matrix = self._in_space(isolated_vectors(batch, self._encoders.whole.states))
            self._costs.add(embedded=len(batch), encoder_calls=1)
            for segment, vector in zip(batch, matrix, strict=True):
                vectors[segment] = vector
                if len(segment) <= LONGEST_REMEMBERED:
                    # A copy: a cached row would keep its whole matrix in memory.
                    self._remembered[segment] = vector.copy()
        return vectors

    def embed_in_sentences(
        self, sentences: Sequence[Segmented], segments: Sequence[Sequence[str]]
    ) -> Iterator[dict[str, FloatArray]]:
        """Yield, for each sentence, vectors of its given segments: means over their occurrences in that sentence."""
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            batch = sentences[start : start + SENTENCES_AT_ONCE]
            all_states = self._encoders.whole.states([sentence.characters for sentence in batch])
            self._costs.add(encoder_calls=1)
            for sentence, wanted, states in zip(
                batch, segments[start : start + SENTENCES_AT_ONCE], all_states, strict=True
            ):
                yield self._in_sentence(wanted, states, sentence)

    def _in_sentence(self, segments: Sequence[str], states: FloatMatrix, sentence: Segmented) -> dict[str, FloatArray]:
        occurrences = SpanMeanAccumulator({segment: index for index, segment in enumerate(segments)})
        occurrences.add(states, segments=sentence.segments, starts=sentence.starts)
        means = [occurrences.sums[index] / occurrences.counts[index] for index in range(len(segments))]
        self._costs.add(embedded=len(segments))
        return dict(zip(segments, self._in_space(np.stack(means).astype(np.float32)), strict=True))

    def _in_space(self, states: FloatMatrix) -> FloatMatrix:
        return normalised(states) if self._alignment is None else self._alignment.apply(states)

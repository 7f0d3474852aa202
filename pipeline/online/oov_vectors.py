"""Vectors of segments outside the vocabulary, online: freshly computed vectors first, then those stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix


@dataclass(frozen=True)
class OnlineOovVectors:
    """The vectors that a ``CandidateSelector`` uses online.

    Attributes:
        fresh: Vectors computed for the texts at hand, by segment.
        stored: Vectors stored with the data set.
    """

    fresh: Mapping[str, FloatArray]
    stored: SegmentVectors

    @property
    def boundaries(self) -> FloatMatrix | None:
        """BERT vectors of all boundaries with ``embed.space: bert``; otherwise None."""
        return self.stored.boundaries

    def of(self, segment: str) -> FloatArray:
        """Return the vector of a segment. Shape: (d,), or (width,) with ``embed.space: bert``."""
        return self.fresh[segment] if segment in self.fresh else self.stored.of(segment)

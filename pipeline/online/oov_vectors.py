"""Vectors of segments outside the vocabulary on line: those just computed, then those stored with the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix


@dataclass(frozen=True)
class OnlineOovVectors:
    """Where a ``CandidateSelector`` gets a segment's vector."""

    fresh: Mapping[str, FloatArray]
    stored: SegmentVectors

    @property
    def boundaries(self) -> FloatMatrix | None:
        """The boundaries' vectors where they are not the vocabulary's."""
        return self.stored.boundaries

    def of(self, segment: str) -> FloatArray:
        """The segment's vector. Shape: (d,)."""
        return self.fresh[segment] if segment in self.fresh else self.stored.of(segment)

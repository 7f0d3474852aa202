"""Vectors of the segments that a data set holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix


@dataclass(frozen=True)
class SegmentVectors:
    """Unit vectors of segments, by segment.

    vectors: in the vocabulary's space; zero rows for those without. Shape: (segments, d)
    bert, boundaries: with ``embed.space: bert``, BERT's vectors of segments outside the vocabulary and of every
        boundary. Shapes: (segments, width), (boundaries + 1, width)
    """

    row_of: Mapping[str, int]
    vectors: FloatMatrix
    bert: FloatMatrix | None
    boundaries: FloatMatrix | None

    def of(self, segment: str) -> FloatArray:
        """The vector of a segment outside the vocabulary, in the space it is compared in. Shape: (d,) or (width,)."""
        matrix = self.vectors if self.bert is None else self.bert
        vector: FloatArray = matrix[self.row_of[segment]]
        return vector

    def __contains__(self, segment: str) -> bool:
        return segment in self.row_of

"""Vectors of the segments of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix


@dataclass(frozen=True)
class SegmentVectors:
    """Unit vectors of segments, by segment.

    Attributes:
        row_of: The row of each segment in ``vectors`` and ``bert``.
        vectors: Vectors in the vocabulary's space; a zero row for a segment without one. Shape: (segments, d)
        bert: BERT vectors of segments outside the vocabulary, with ``embed.space: bert``; otherwise None.
            Shape: (segments, width)
        boundaries: BERT vectors of every boundary, with ``embed.space: bert``; otherwise None.
            Shape: (boundaries + 1, width)
    """

    row_of: Mapping[str, int]
    vectors: FloatMatrix
    bert: FloatMatrix | None
    boundaries: FloatMatrix | None

    def of(self, segment: str) -> FloatArray:
        """Return the vector of a segment outside the vocabulary, in the space of the comparison.

        Shape: (d,), or (width,) with ``embed.space: bert``.
        """
        matrix = self.vectors if self.bert is None else self.bert
        vector: FloatArray = matrix[self.row_of[segment]]
        return vector

    def __contains__(self, segment: str) -> bool:
        return segment in self.row_of

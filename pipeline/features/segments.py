"""Vectors of the segments that a data set holds: the files that the embed stage leaves, and how they are opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix

SEGMENTS_FILE = "segments.parquet"
VECTORS_FILE = "vectors.npy"
"""Unit vectors in the vocabulary's space, a row a segment; zero where a segment has none there."""
ALIGNMENT_FILE = "alignment.safetensors"
"""With ``embed.space: aligned``: the map from BERT's space to the vocabulary's, for segments met on line."""
BERT_SEGMENTS_FILE = "segments_bert.npy"
BERT_BOUNDARIES_FILE = "boundaries_bert.npy"
"""With ``embed.space: bert``: unit BERT vectors of out-of-vocabulary segments, and of every boundary (row 0: zero)."""


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


@lru_cache(maxsize=1)
def open_segment_vectors(folder: Path, digest: str) -> SegmentVectors:
    """Open what the embed stage wrote, once a process; ``digest`` (of its manifest) tells versions apart."""
    segments = tables.read_table(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, columns=["segment"])

    def mapped(name: str) -> FloatMatrix:
        return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))

    by_bert = (folder / BERT_SEGMENTS_FILE).exists()
    return SegmentVectors(
        row_of={segment: row for row, segment in enumerate(segments["segment"].to_pylist())},
        vectors=mapped(VECTORS_FILE),
        bert=mapped(BERT_SEGMENTS_FILE) if by_bert else None,
        boundaries=mapped(BERT_BOUNDARIES_FILE) if by_bert else None,
    )

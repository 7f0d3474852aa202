"""The files of segment vectors that the embed stage writes, opened."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage.arrays import map_array
from ssmi.pipeline.features.segment_vectors import SegmentVectors

SEGMENTS_FILE = "segments.parquet"
VECTORS_FILE = "vectors.npy"
"""Unit vectors in the vocabulary's space, a row a segment; zero where a segment has none there."""
BERT_SEGMENTS_FILE = "segments_bert.npy"
BERT_BOUNDARIES_FILE = "boundaries_bert.npy"
"""With ``embed.space: bert``: unit BERT vectors of out-of-vocabulary segments, and of every boundary (row 0: zero)."""


@lru_cache(maxsize=1)
def open_segment_vectors(folder: Path, digest: str) -> SegmentVectors:
    """Open the vectors of segments once a process; they are memory-mapped.

    Args:
        folder: What the embed stage wrote.
        digest: Of its manifest, to tell versions of one folder apart.

    Returns:
        The vectors, by segment.

    Raises:
        MissingResourceError: A file is not there.
        StaleArtifactError: A file changed since it was written.
    """
    segments = tables.read_table(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, columns=["segment"])

    by_bert = (folder / BERT_SEGMENTS_FILE).exists()
    return SegmentVectors(
        row_of={segment: row for row, segment in enumerate(segments["segment"].to_pylist())},
        vectors=map_array(folder / VECTORS_FILE),
        bert=map_array(folder / BERT_SEGMENTS_FILE) if by_bert else None,
        boundaries=map_array(folder / BERT_BOUNDARIES_FILE) if by_bert else None,
    )

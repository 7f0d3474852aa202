"""Open the files of segment vectors that the embed stage writes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.columns.names import SCHEMA as NAMES
from ssmi.pipeline.columns.names import SortedNames, write_names
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage.arrays import map_array
from ssmi.pipeline.features.segment_vectors import SegmentVectors

SEGMENTS_FILE = "segments.parquet"
VECTORS_FILE = "vectors.npy"
"""Unit vectors in the vocabulary's space, one row per segment; a zero row for a segment without a vector there."""
BERT_SEGMENTS_FILE = "segments_bert.npy"
BERT_BOUNDARIES_FILE = "boundaries_bert.npy"
"""With ``embed.space: bert``: unit BERT vectors of out-of-vocabulary segments, and of every boundary (row 0: zero)."""


@lru_cache(maxsize=1)
def open_segment_vectors(folder: Path, digest: str) -> SegmentVectors:
    """Open the segment vectors, once per process: the matrices memory-mapped, the segments' names held in memory.

    Args:
        folder: The embed stage's output folder.
        digest: Digest of its manifest, to distinguish versions of the folder.

    Returns:
        The vectors, by segment.

    Raises:
        MissingResourceError: A file does not exist.
        StaleArtifactError: A file changed since it was written.
    """
    segments = tables.read_table(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, columns=["segment"])
    return replace(
        _open_matrices(folder), row_of={name: row for row, name in enumerate(segments["segment"].to_pylist())}
    )


def open_outside_vectors(folder: Path, digest: str, *, names: Path, segments: pa.Array) -> SegmentVectors:
    """Open the vectors of those given segments that are outside the vocabulary.

    Like ``open_segment_vectors``, but without holding the names of all segments in memory.

    Args:
        folder: The embed stage's output folder.
        digest: Digest of its manifest, to distinguish versions of the folder.
        names: The file written by ``write_outside``.
        segments: The segments to look up; they may repeat.

    Returns:
        The vectors of the segments found.
    """
    vectors, outside = _open_outside(folder, digest, names)
    distinct = pc.unique(segments)
    _, rows = outside.find(distinct)
    row_of = {name: row for name, row in zip(distinct.to_pylist(), rows.tolist(), strict=True) if row >= 0}
    return replace(vectors, row_of=row_of)


@lru_cache(maxsize=1)
def _open_outside(folder: Path, digest: str, names: Path) -> tuple[SegmentVectors, SortedNames]:
    return _open_matrices(folder), SortedNames(names)


def _open_matrices(folder: Path) -> SegmentVectors:
    by_bert = (folder / BERT_SEGMENTS_FILE).exists()
    return SegmentVectors(
        row_of={},
        vectors=map_array(folder / VECTORS_FILE),
        bert=map_array(folder / BERT_SEGMENTS_FILE) if by_bert else None,
        boundaries=map_array(folder / BERT_BOUNDARIES_FILE) if by_bert else None,
    )


def write_outside(folder: Path, names: Path) -> None:
    """Write the segments outside the vocabulary with their rows, for lookups that do not hold them in memory.

    Args:
        folder: The embed stage's output folder.
        names: The file to write.

    Raises:
        MissingResourceError: The table of segments does not exist.
        StaleArtifactError: The table changed since it was written.
    """
    columns = ("segment", "segment_id", "boundary_id")
    segments = tables.read_tables(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, columns=columns)
    outside = (table.filter(pc.field("boundary_id") == 0).select(columns[:2]) for table in segments)
    write_names((table.rename_columns(NAMES.names).cast(NAMES) for table in outside), names)

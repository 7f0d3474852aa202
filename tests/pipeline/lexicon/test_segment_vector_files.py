"""Segment vectors, read from the folder that the embed stage writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.vocabulary import FloatMatrix
from ssmi.pipeline.lexicon.segment_vector_files import (
    BERT_BOUNDARIES_FILE,
    BERT_SEGMENTS_FILE,
    SEGMENTS_FILE,
    VECTORS_FILE,
    open_outside_vectors,
    open_segment_vectors,
    write_outside,
)

SEGMENTS = ["中国", "的", "😀", "a b"]


def _matrix(n: int, width: int, *, seed: int) -> FloatMatrix:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def _write(folder: Path, *, by_bert: bool, seed: int = 1) -> dict[str, FloatMatrix]:
    rows = [
        {"segment_id": n, "segment": segment, "boundary_id": 0, "n_train": 1, "n_dev": 0, "n_test": 0}
        for n, segment in enumerate(SEGMENTS)
    ]
    tables.write_rows(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, rows)
    matrices = {VECTORS_FILE: _matrix(len(SEGMENTS), 3, seed=seed)}
    if by_bert:
        matrices[BERT_SEGMENTS_FILE] = _matrix(len(SEGMENTS), 5, seed=seed + 1)
        matrices[BERT_BOUNDARIES_FILE] = _matrix(9, 5, seed=seed + 2)
    for name, matrix in matrices.items():
        np.save(folder / name, matrix, allow_pickle=False)
    return matrices


@pytest.mark.parametrize("by_bert", [False, True])
def test_each_segment_has_its_stored_row(tmp_path: Path, by_bert: bool) -> None:
    matrices = _write(tmp_path, by_bert=by_bert)
    vectors = open_segment_vectors(tmp_path, f"rows {by_bert}")
    for row, segment in enumerate(SEGMENTS):
        matrix = matrices[BERT_SEGMENTS_FILE if by_bert else VECTORS_FILE]
        assert vectors.of(segment).tobytes() == matrix[row].tobytes()
    assert "国" not in vectors
    if by_bert:
        assert vectors.boundaries is not None
        assert vectors.boundaries.tobytes() == matrices[BERT_BOUNDARIES_FILE].tobytes()
    else:
        assert vectors.bert is None and vectors.boundaries is None


@pytest.mark.parametrize("by_bert", [False, True])
def test_segments_outside_the_vocabulary_are_found_in_a_partial_table(tmp_path: Path, by_bert: bool) -> None:
    matrices = _write(tmp_path, by_bert=by_bert)
    rows = tables.read_rows(tmp_path / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS)
    rows[1]["boundary_id"] = 7
    tables.write_rows(tmp_path / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, rows)
    names = tmp_path / "names.arrow"
    write_outside(tmp_path, names)
    requested = pa.array(["😀", "的", "中国", "没有", "😀"])
    vectors = open_outside_vectors(tmp_path, f"outside {by_bert}", names=names, segments=requested)
    matrix = matrices[BERT_SEGMENTS_FILE if by_bert else VECTORS_FILE]
    for row in (0, 2):
        assert vectors.of(SEGMENTS[row]).tobytes() == matrix[row].tobytes()
    # A segment of the vocabulary, one that does not exist, and one that was not requested.
    assert not any(segment in vectors for segment in ("的", "没有", "a b"))


def test_matrices_are_mapped_read_only(tmp_path: Path) -> None:
    _write(tmp_path, by_bert=True)
    vectors = open_segment_vectors(tmp_path, "mapped")
    for matrix in (vectors.vectors, vectors.bert, vectors.boundaries):
        assert matrix is not None and isinstance(matrix.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            matrix[0, 0] = 1


def test_a_folder_is_opened_once_until_its_digest_changes(tmp_path: Path) -> None:
    _write(tmp_path, by_bert=False)
    first = open_segment_vectors(tmp_path, "build 1")
    for path in tmp_path.iterdir():
        path.unlink()
    assert open_segment_vectors(tmp_path, "build 1") is first
    matrices = _write(tmp_path, by_bert=False, seed=7)
    second = open_segment_vectors(tmp_path, "build 2")
    assert second.of("的").tobytes() == matrices[VECTORS_FILE][1].tobytes() != first.of("的").tobytes()


def test_missing_tables_and_pickled_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"segments\.parquet: does not exist"):
        open_segment_vectors(tmp_path, "none")
    _write(tmp_path, by_bert=False)
    np.save(tmp_path / VECTORS_FILE, np.array([[Path("x")]], dtype=object), allow_pickle=True)
    with pytest.raises(StaleArtifactError, match="Python objects"):
        open_segment_vectors(tmp_path, "objects")

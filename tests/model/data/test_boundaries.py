"""Embedding rows of boundaries."""

from __future__ import annotations

import numpy as np
import pytest

from ssmi.model.data.boundaries import BoundaryTable, ExpandableIndex
from ssmi.pipeline.contract.errors import StaleArtifactError


def test_extended_table_keeps_its_rows_and_finds_ids_in_any_order() -> None:
    first = BoundaryTable(np.array([30, 10]), np.array([[3.0], [1.0]], np.float32))
    second = BoundaryTable(np.array([10, 20]), np.array([[9.0], [2.0]], np.float32))
    extended = first.extended_by(second)
    assert extended.ids.tolist() == [30, 10, 20]
    assert extended.vectors.ravel().tolist() == [3.0, 1.0, 2.0]
    assert extended.rows_of(np.array([0, 10, 20, 30, 0]), source="here").tolist() == [0, 2, 3, 1, 0]
    with pytest.raises(StaleArtifactError, match="here: names boundary 31"):
        extended.rows_of(np.array([10, 31]), source="here")


def test_an_index_gives_new_boundaries_the_next_rows_until_it_is_reset() -> None:
    index = ExpandableIndex(BoundaryTable(np.array([30, 10]), np.zeros((2, 1), np.float32)))
    assert index.missing(np.array([10, 7, 900, 30])).tolist() == [7, 900]
    for _ in range(2):
        assert [index.add(np.array([900, 7])), index.add(np.array([8]))] == [3, 5]
        assert index.n_new == 3
        ids = np.array([0, 8, 7, 900, 30, 10])
        assert index.rows_of(ids, source="here").tolist() == [0, 5, 4, 3, 1, 2]
        assert index.missing(ids[1:]).size == 0
        index.reset()
        assert index.n_new == 0 and index.missing(ids[1:]).tolist() == [8, 7, 900]
    with pytest.raises(StaleArtifactError, match="here: names boundary 900"):
        index.rows_of(np.array([10, 900]), source="here")

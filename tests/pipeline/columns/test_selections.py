"""Selections looked up by id in arrays on disk, compared with the rows of the table."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.columns.selections import ListColumn, open_selections, write_selections
from ssmi.pipeline.contract.parquet import schema, tables

IDS = st.lists(st.integers(1, 2**31 - 1), max_size=4)
COSINES = st.floats(-1, 1, width=32)
SELECTION = st.tuples(IDS, IDS, COSINES)


def _row(index: int, chosen: list[int], negatives: list[int], cosine: float) -> dict[str, Any]:
    return {
        "selection_id": index,
        "character": "中",
        "segment": "中国",
        "candidates": None,
        "n_candidates": 9,
        "best_id": chosen[0] if chosen else 0,
        "best_cosine": cosine if chosen else None,
        "set_ids": chosen,
        "set_cosines": [cosine] * len(chosen),
        "negative_ids": negatives,
    }


def _lists(column: ListColumn) -> list[list[int]]:
    return [column.ids[start:end].tolist() for start, end in pairwise(column.offsets.tolist())]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(parts=st.lists(st.lists(SELECTION, max_size=5), max_size=4), data=st.data())
def test_selections_are_the_rows_with_these_ids(tmp_path_factory: Any, parts: list[Any], data: st.DataObject) -> None:
    folder: Path = tmp_path_factory.mktemp("selection")
    rows: list[dict[str, Any]] = []
    for number, part in enumerate(parts):
        part_rows = [_row(len(rows) + place, *selection) for place, selection in enumerate(part)]
        tables.write_rows(tables.part_path(folder, "selections", number), schema.SELECTIONS, part_rows)
        rows += part_rows
    write_selections(tables.list_parts(folder, "selections"), folder / "arrays")
    ids = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    taken = open_selections(folder / "arrays").take(np.array(ids, dtype=np.int64))
    expected = [rows[index] for index in ids]
    assert taken.best_ids.tolist() == [row["best_id"] for row in expected]
    assert taken.best_cosines.tolist() == [row["best_cosine"] or 0.0 for row in expected]
    assert _lists(taken.sets) == [row["set_ids"] for row in expected]
    assert _lists(taken.negatives) == [row["negative_ids"] for row in expected]

"""Rows in one array, compared with plain lists of lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.ragged import Ragged

# A coarse grid, so that equal values are common; zeros of both signs are equal.
VALUES = st.integers(-4, 4).map(lambda n: n / 4) | st.floats(-1, 1, width=32)
LISTS = st.lists(st.lists(VALUES, min_size=1, max_size=60), min_size=1, max_size=6)


def _rows(lists: list[list[float]]) -> Ragged:
    widths = np.array([len(row) for row in lists], dtype=np.int64)
    return Ragged.of(np.array([value for row in lists for value in row], dtype=np.float32), widths)


@given(LISTS, st.integers(1, 12))
def test_limits_admit_enough_values_of_each_row(lists: list[list[float]], n: int) -> None:
    rows = _rows(lists)
    limits = rows.limits(n)
    within = np.split(rows.at_most(limits), rows.starts[1:])
    assert rows.highest().tolist() == [max(row) for row in lists]
    for row, limit, flags in zip(lists, limits.tolist(), within, strict=True):
        assert flags.tolist() == [value <= limit for value in row]
        assert flags.sum() >= min(n, len(row))
        assert len(row) >= 2 * n or flags.all()


def test_limits_admit_few_values_more_than_needed(rng: np.random.Generator) -> None:
    rows = _rows(rng.uniform(-1, 1, (100, 2000)).tolist())
    assert rows.at_most(rows.limits(8)).sum() < 100 * 16


@given(LISTS, st.booleans(), st.data())
def test_values_are_ranked_within_their_rows(lists: list[list[float]], descending: bool, data: st.DataObject) -> None:
    rows = _rows(lists)
    n_values = len(rows.values)
    places = sorted(data.draw(st.sets(st.integers(0, n_values - 1))))
    row_of = [number for number, row in enumerate(lists) for _ in row]
    sign = -1 if descending else 1
    expected = sorted(places, key=lambda place: (row_of[place], sign * float(rows.values[place]), place))
    ranked = rows.ranked(np.array(places, dtype=np.int64), descending=descending)
    assert ranked.indices.tolist() == expected
    assert ranked.rows.tolist() == [row_of[place] for place in expected]
    n_before = [
        sum(row_of[other] == row_of[place] for other in expected[:n_preceding])
        for n_preceding, place in enumerate(expected)
    ]
    assert ranked.ranks.tolist() == n_before


@pytest.mark.parametrize("descending", [False, True])
def test_equal_values_keep_their_order(descending: bool) -> None:
    rows = _rows([[0.0, -0.0, 0.0], [0.5]])
    assert rows.ranked(np.arange(4), descending=descending).indices.tolist() == [0, 1, 2, 3]

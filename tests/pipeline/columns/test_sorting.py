"""External sorting by runs in files, compared with Python's sort of all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.columns.sorting import in_groups, sorted_tables, summed

SCHEMA = pa.schema([("text", pa.string()), ("n", pa.int64())])
ROWS = st.lists(st.tuples(st.text("a国京😀é", max_size=2), st.integers(-2, 3)), max_size=8)
TABLES = st.lists(ROWS, max_size=12)


def _table(rows: list[tuple[str, int]]) -> pa.Table:
    return pa.Table.from_pylist([{"text": text, "n": n} for text, n in rows], schema=SCHEMA)


def _rows(tables: Iterator[pa.Table]) -> list[tuple[str, int]]:
    return [(row["text"], row["n"]) for table in tables for row in table.to_pylist()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(tables=TABLES, rows_per_run=st.sampled_from([1, 2, 5, 40]))
def test_rows_are_sorted_for_any_size_of_runs(tmp_path: Path, tables: list[Any], rows_per_run: int) -> None:
    all_rows = [row for rows in tables for row in rows]
    arrow_tables = [_table(rows) for rows in tables]
    ascending = sorted_tables(
        arrow_tables, SCHEMA, order=[("text", "ascending"), ("n", "ascending")], folder=tmp_path,
        rows_per_run=rows_per_run,
    )  # fmt: skip
    assert _rows(ascending) == sorted(all_rows)
    by_number = sorted_tables(
        arrow_tables, SCHEMA, order=[("n", "descending"), ("text", "ascending")], folder=tmp_path,
        rows_per_run=rows_per_run,
    )  # fmt: skip
    assert _rows(by_number) == sorted(all_rows, key=lambda row: (-row[1], row[0]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows_per_run", [1, 7])
def test_more_runs_than_are_merged_at_once_are_sorted(tmp_path: Path, rows_per_run: int) -> None:
    rows = [(f"{n * 7919 % 200:03d}", n) for n in range(200)]
    tables = [_table([row]) for row in rows]
    order = [("text", "ascending")]
    assert _rows(sorted_tables(tables, SCHEMA, order=order, folder=tmp_path, rows_per_run=rows_per_run)) == sorted(rows)


@given(tables=TABLES, rows=st.integers(1, 9))
def test_groups_contain_all_rows_and_have_one_size(tables: list[Any], rows: int) -> None:
    groups = list(in_groups(map(_table, tables), SCHEMA, rows=rows))
    assert _rows(iter(groups)) == [row for one in tables for row in one]
    assert all(len(group) == rows for group in groups[:-1]) and all(0 < len(group) <= rows for group in groups[-1:])


@given(tables=TABLES)
def test_equal_keys_are_summed_across_tables(tables: list[Any]) -> None:
    all_rows = sorted(row for rows in tables for row in rows)
    sorted_parts, start = [], 0
    for rows in tables:
        sorted_parts.append(_table(all_rows[start : start + len(rows)]))
        start += len(rows)
    expected: Counter[str] = Counter()
    for text, n in all_rows:
        expected[text] += n
    assert _rows(summed(sorted_parts, SCHEMA, key="text")) == sorted(expected.items())


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Measured as Arrow's allocated memory, which holds the rows."""
    peaks = {n_tables: _peak(tmp_path, n_tables) for n_tables in (20, 160)}
    assert 0 < peaks[160] < 1.3 * peaks[20], peaks


def _peak(folder: Path, n_tables: int) -> int:
    numbers = np.random.default_rng(1).permutation(500 * n_tables)
    before = peak = pa.total_allocated_bytes()
    n_rows = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal peak
        for batch in np.split(numbers, n_tables):
            yield _table([(f"词语{10**9 + n}", 1) for n in batch.tolist()])
            peak = max(peak, pa.total_allocated_bytes())

    for table in sorted_tables(tables(), SCHEMA, order=[("text", "ascending")], folder=folder, rows_per_run=4000):
        n_rows += len(table)
        peak = max(peak, pa.total_allocated_bytes())
    assert n_rows == 500 * n_tables
    return peak - before

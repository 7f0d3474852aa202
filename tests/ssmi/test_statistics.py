"""Query results as rows and frames: duplicate column names, types, and values specific to DuckDB."""

from __future__ import annotations

import datetime
import decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import ssmi
from ssmi import statistics
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.statistics import Statistics
from ssmi.workspace import Workspace


@given(st.lists(st.sampled_from(["n", "n_2", "n_2_2", "n_3", "词", ""]), max_size=9))
@example(["n", "n", "n_2"])
@example(["n_2", "n", "n"])
def test_column_names_are_made_unique(columns: list[str]) -> None:
    distinct = Statistics(tuple(columns), ("INTEGER",) * len(columns), []).distinct_columns
    assert len(set(distinct)) == len(distinct) == len(columns)
    for index, (name, given_name) in enumerate(zip(distinct, columns, strict=True)):
        assert name.startswith(given_name)
        if given_name not in columns[:index]:
            assert name == given_name  # the first keeps its name, even if a renamed duplicate would get it


def test_a_frame_has_the_types_of_the_query() -> None:
    kinds = ("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "VARCHAR", "BOOLEAN")
    frame = Statistics(tuple("abcdef"), kinds, []).pl()
    assert frame.schema == dict(
        zip("abcdef", (pl.Int64, pl.Int32, pl.Float64, pl.Float32, pl.String, pl.Boolean), strict=True)
    )
    assert frame.shape == (0, 6)
    rows = [(None,)] * 2_000 + [([1, 2],)]
    assert Statistics(("x",), ("INTEGER[]",), rows).pl()["x"].to_list()[-1] == [
        1,
        2,
    ]  # only the last row shows its type


@pytest.fixture
def workspace(built_once: object) -> Workspace:
    return Workspace(built_once.root)  # type: ignore[attr-defined]


def test_a_query_returns_its_values(workspace: Workspace) -> None:
    query = (
        "SELECT 1::BIGINT AS n, 2.5::DOUBLE AS n, '北京' AS word, DATE '2020-02-29' AS day,"
        " 1.10::DECIMAL(4,2) AS price, {'a': 1} AS both, NULL::BOOLEAN AS flag"
    )
    result = statistics.sql(workspace, query, dataset=None, limit=None)
    day, price = datetime.date(2020, 2, 29), decimal.Decimal("1.10")
    assert list(result.rows) == [(1, 2.5, "北京", day, price, {"a": 1}, None)]
    assert result.pl().to_dicts() == [
        {"n": 1, "n_2": 2.5, "word": "北京", "day": day, "price": price, "both": {"a": 1}, "flag": None}
    ]
    assert result.pl().schema["flag"] == pl.Boolean


@pytest.mark.parametrize(("limit", "left_out"), [(None, 0), (10, 0), (9, 1), (1, 9)])
def test_rows_beyond_the_limit_are_counted(workspace: Workspace, limit: int | None, left_out: int) -> None:
    result = statistics.sql(workspace, "SELECT i FROM range(10) r(i) ORDER BY i", dataset="tiny", limit=limit)
    assert [row[0] for row in result.rows] == list(range(10 - left_out))
    assert result.n_left_out == left_out


def test_a_report_equals_its_query(workspace: Workspace) -> None:
    for report in ssmi.list_reports():
        named = statistics.report(workspace, report.name, dataset=None, limit=5)
        assert named == statistics.sql(workspace, report.sql, dataset="tiny", limit=5)
        assert named.rows, report.name
    with pytest.raises(ParameterError, match="did you mean 'coverage'"):
        statistics.report(workspace, "coverege", dataset=None, limit=None)
    with pytest.raises(ParameterError, match="did you mean 'coverage'"):
        statistics.shell_script(workspace, "coverege", dataset=None)
    with pytest.raises(MissingResourceError):
        statistics.shell_script(workspace, "coverage", dataset="weibo")


def test_repr_shows_the_size_and_not_the_rows() -> None:
    result = Statistics(("label", "n"), ("VARCHAR", "BIGINT"), [("北京", 1)] * 2_000, n_left_out=7)
    assert repr(result) == "<Statistics: 2,000 rows, 7 more left out, 2 columns (label, n); .pl() makes a frame>"
    assert "(a, b, c, d, e, f, g, h ...)" in repr(Statistics(tuple("abcdefghij"), ("BIGINT",) * 10, []))

"""Query results as JSON, CSV and a table: programs can read every value back, and no value controls the terminal."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.cli.terminal.stats_output import LIST_ITEMS, show_csv, show_json, show_table
from ssmi.statistics import Statistics

texts = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
rows_of_three = st.lists(st.tuples(scalars, texts, st.lists(scalars, max_size=3)), max_size=4)


def _output(show: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    with redirect_stdout(io.StringIO()) as stdout:
        show(Statistics(columns, ("",) * len(columns), rows))
    return stdout.getvalue()


@given(rows_of_three)
def test_json_can_be_read_back(rows: list[tuple[Any, ...]]) -> None:
    body = json.loads(_output(show_json, ("a", "词", "a"), rows))
    assert [tuple(row.values()) for row in body] == rows
    assert all(list(row) == ["a", "词", "a_2"] for row in body)


def _escaped_cell(value: object) -> str:
    """The text of a cell, with an apostrophe in front if a spreadsheet would run it as a formula."""
    is_formula = isinstance(value, str) and len(value) > 1 and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else str(value)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_csv_cells_are_not_spreadsheet_formulas(text: str) -> None:
    header, row = csv.reader(io.StringIO(_output(show_csv, (text, "n"), [(text, -2)]), newline=""))
    assert header[0] == row[0] == f"'{text}" and row[1] == "-2"


@given(rows_of_three)
def test_csv_can_be_read_back(rows: list[tuple[Any, ...]]) -> None:
    text = _output(show_csv, ("a", "词", "a"), rows)
    header, *body = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["a", "词", "a"]
    for cells, (first, second, third) in zip(body, rows, strict=True):
        assert cells[0] == ("" if first is None else _escaped_cell(first)) and cells[1] == _escaped_cell(second)
        assert json.loads(cells[2]) == third


@given(st.lists(st.tuples(texts, st.dictionaries(texts, texts, max_size=2)), min_size=1, max_size=3))
def test_a_table_shows_control_characters_escaped(rows: list[tuple[Any, ...]]) -> None:
    text = _output(show_table, ("a\x1b[31m", "b"), rows)
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert "a\\x1b[31m" in text
    assert len([line for line in text.splitlines() if line.strip()]) >= 2


@pytest.mark.parametrize(
    ("value", "in_json", "in_table"),
    [
        (math.nan, None, "-"),
        (math.inf, None, "-"),
        (decimal.Decimal("3.00"), 3, "3"),
        (decimal.Decimal("0.125"), 0.125, "0.125"),
        (datetime.date(2020, 2, 29), "2020-02-29", "2020-02-29"),
        (b"\x00\xff", "00ff", "00ff"),
        ((1, (2, None)), [1, [2, None]], "[1, [2, null]]"),
        ({1: {"x": math.nan}}, {"1": {"x": None}}, '{"1": {"x": null}}'),
        (123456.7, 123456.7, "123,457"),
        (999.96, 999.96, "1000"),
        (1.5e16, 1.5e16, "1.5e+16"),
        (True, True, "True"),
    ],
)
def test_values_unknown_to_json_are_converted(value: object, in_json: object, in_table: str) -> None:
    assert json.loads(_output(show_json, ("x",), [(value,)])) == [{"x": in_json}]
    assert _output(show_table, ("x",), [(value,)]).splitlines()[-2].strip() == in_table
    (cell,) = list(csv.reader(io.StringIO(_output(show_csv, ("x",), [(value,)]), newline="")))[1] or [""]
    assert cell == (
        "" if in_json is None else json.dumps(in_json) if isinstance(in_json, list | dict) else str(in_json)
    )


@pytest.mark.parametrize("n", [LIST_ITEMS, LIST_ITEMS + 1, LIST_ITEMS + 1000])
def test_a_table_reports_how_many_list_items_it_omits(n: int) -> None:
    values = list(range(n))
    shown = _output(show_table, ("x",), [(values,)]).splitlines()[-2].strip()
    first = ", ".join(map(str, values[:LIST_ITEMS]))
    assert shown == (f"[{first}]" if n == LIST_ITEMS else f"[{first}, … {n - LIST_ITEMS} more]")
    assert json.loads(_output(show_json, ("x",), [(values,)])) == [{"x": values}]


def test_results_without_rows() -> None:
    assert _output(show_json, ("x",), []) == "[]\n"
    assert _output(show_csv, ("x", "y"), []) == "x,y\n"
    assert _output(show_table, ("x", "y"), []).split()[:2] == ["x", "y"]

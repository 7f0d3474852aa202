"""Tables on stdout: readable cells, numbers aligned to the right, no markup interpreted, nothing truncated."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pytest

from ssmi.cli.terminal.tables import print_table

Captured = pytest.CaptureFixture[str]


def _lines(capsys: Captured, header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Header and body, without the rule between them."""
    print_table(header, rows)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert set(lines[1].strip()) == {"─"}
    return [lines[0], *lines[2:]]


def _width(text: str) -> int:
    """The width of a text on a terminal: CJK characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (1234567, "1,234,567"),
        (-1000, "-1,000"),
        (0.123456, "0.1235"),
        (2.0, "2"),
        (True, "True"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        (":smile:", ":smile:"),
    ],
)
def test_cells_are_formatted_by_type(capsys: Captured, value: object, shown: str) -> None:
    assert _lines(capsys, ["value"], [[value]])[1].strip() == shown


@pytest.mark.parametrize(
    "column",
    [
        [1, 20_000, None],
        [0.5, -12.25, 3e-7],
        [2_500_000.0, 1.0],
        [float("nan"), 1.5],
        [float("-inf"), 1.5],
        ["1,024", "7"],
    ],
)
def test_numbers_are_aligned_right(capsys: Captured, column: list[object]) -> None:
    header, *body = _lines(capsys, ["a long header"], [[value] for value in column])
    assert len({len(line) for line in (header, *body)}) == 1


@pytest.mark.parametrize("column", [["3", "not a number"], ["1.2.3", "12"], ["e-e-", "1"], ["北京", "7"]])
def test_text_is_aligned_left(capsys: Captured, column: list[object]) -> None:
    header, *body = _lines(capsys, ["a long header"], [[value] for value in column])
    assert len({len(line) - len(line.lstrip()) for line in (header, *body)}) == 1
    assert len({len(line) for line in (header, *body)}) == 3  # not aligned to the right


def test_wide_characters_take_two_columns(capsys: Captured) -> None:
    lines = _lines(capsys, ["word", "n"], [["北京大学", 5], ["ab", 12_345]])
    assert len({_width(line) for line in lines}) == 1


def test_a_long_cell_is_not_truncated_without_a_terminal(capsys: Captured) -> None:
    cell = "长" * 3_000 + "end"
    assert _lines(capsys, ["text", "n"], [[cell, 1]])[1].split() == [cell, "1"]


def test_a_table_without_rows_prints_its_header(capsys: Captured) -> None:
    assert _lines(capsys, ["label", "P"], []) == [" label   P"]

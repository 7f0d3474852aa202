"""The result of a report or query as a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ssmi.pipeline.contract.text.json_text import dumps

if TYPE_CHECKING:
    from ssmi.statistics import Statistics

_FORMULA = "=+-@\t\r"
"""Characters that a spreadsheet takes for the beginning of a formula."""
LIST_ITEMS = 12
"""Number of items of a nested list that a table cell shows; JSON and CSV contain all."""


def show_table(result: Statistics) -> None:
    """Print a table for people."""
    from ssmi.cli.terminal.tables import print_table

    print_table(list(map(_printable, result.columns)), [list(map(_cell, row)) for row in result.rows])


def show_json(result: Statistics) -> None:
    """Print a JSON array with one object per row."""
    # A query may give two columns the same name, and an object would keep only one of them.
    names = result.distinct_columns
    lines = [dumps(dict(zip(names, map(_plain, row), strict=True))) for row in result.rows]
    click.echo("[\n" + ",\n".join(lines) + "\n]" if lines else "[]")


def show_csv(result: Statistics) -> None:
    """Print CSV with a header."""
    lines = [_csv_line(list(map(_in_spreadsheet, result.columns)))]
    for row in result.rows:
        values = map(_plain, row)
        lines.append(_csv_line([_in_spreadsheet(value) for value in values]))
    click.echo("".join(lines), nl=False)


def _in_spreadsheet(value: Any) -> Any:
    """A value as a CSV cell; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    if isinstance(value, (list, dict)):
        return _nested(value)
    # A single mark, as in columns of characters, is not a formula.
    return f"'{value}" if isinstance(value, str) and len(value) > 1 and value[0] in _FORMULA else value


def _csv_line(values: Sequence[object]) -> str:
    """One line ending in a newline; written with CRLF first, because Python 3.11 would leave a lone CR unquoted."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> object:
    """A value as a table shows it: large numbers as integers, long lists visibly cut, control characters escaped."""
    value = _plain(value)
    if isinstance(value, float):
        return round(value) if 1000 <= abs(value) < 1e15 else value
    if isinstance(value, list) and len(value) > LIST_ITEMS:
        return _printable(f"{_nested(value[:LIST_ITEMS])[:-1]}, … {len(value) - LIST_ITEMS} more]")
    if isinstance(value, (list, dict)):
        return _printable(_nested(value))
    return _printable(value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A value that JSON can represent; NaN and infinity, which JSON lacks, become null."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def _nested(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    """Text with control characters, and white space other than the blank, escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )

"""Tables a person can read, on stdout; never cut when nobody's terminal has to fit them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print one table: numbers to the right, CJK widths counted, long cells folded on a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    body = [[_cell(value) for value in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numeric = bool(body) and all(_is_number(row[index]) for row in body)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 10_000
    # Cells are data: brackets and colons in them are no markup.
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as drawn:
        console.print(table)
    # Not by rich, which ends the program by its own way where the reader has gone.
    sys.stdout.write(drawn.get())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        # What _cell writes for None does not make a column of numbers one of words.
        return text == "-"
    return True

"""Human-readable tables on stdout; only a terminal limits their width."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from ssmi.cli.terminal.visible import visible_lines


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print one table: numbers right-aligned, CJK widths counted, long cells folded on a terminal."""
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
    # Cells are data: brackets and colons in them are not markup.
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as drawn:
        console.print(table)
    # Not printed by rich, which ends the program in its own way if the reader has gone.
    sys.stdout.write(drawn.get())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible_lines(str(value))


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        # The dash that _cell writes for None keeps a column numeric.
        return text == "-"
    return True

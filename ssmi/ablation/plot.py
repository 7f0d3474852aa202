"""Charts of the ablation table. The same table gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssmi.ablation.table import Table, TableRow
from ssmi.charts.intervals import Interval, IntervalChart
from ssmi.charts.lines import Line, LineChart
from ssmi.charts.rendering import save_chart
from ssmi.charts.style import Colour
from ssmi.configurations import CURVES

_HIGHLIGHTED = {"ssmi": Colour.BLUE, "bert-crf": Colour.ORANGE}
_LOOKS: Sequence[tuple[Colour, str]] = (
    (Colour.BLUE, "o"),
    (Colour.AMBER, "s"),
    (Colour.GREEN, "^"),
    (Colour.PINK, "D"),
    (Colour.SOFT, "v"),
)
"""Colour and marker of each row of CURVES."""
_SCORED = ("dev", "mean of the folds'")
"""What F1 after each epoch refers to, without folds and with folds."""


def plot_scores(table: Table, path: Path) -> bool:
    """Write F1 of every row with its standard deviation, and every run as a dot.

    Args:
        table: The ablation table.
        path: The .svg or .png to write. The scores are those of test, of dev if the table has no test, or of the folds;
            a row without them is left out.

    Returns:
        True, because there is always a picture.
    """
    split = table.scored_splits[-1]
    intervals = [_interval(row, split) for row in table.rows if split in row.figures]
    x_label = f"{split} F1 (%): mean and standard deviation; dots are seeds"
    save_chart(IntervalChart(f"{split} F1 by row", intervals, x_label=x_label, title=table.setting.dataset), path)
    return True


def plot_curves(table: Table, path: Path) -> bool:
    """Write dev F1 over epochs for the rows of the paper's Figure 3.

    Args:
        table: The ablation table.
        path: The .svg or .png to write; removed if the table has none of these rows.

    Returns:
        Whether there is a picture.
    """
    rows = {row.name: row for row in table.rows if row.name in CURVES}
    if not rows:
        path.unlink(missing_ok=True)
        return False
    lines = [
        _line(rows[name], colour=colour, marker=marker)
        for name, (colour, marker) in zip(CURVES, _LOOKS, strict=True)
        if name in rows
    ]
    chart = LineChart(
        f"{_SCORED[table.setting.n_folds is not None]} F1 by epoch",
        lines,
        x_label="epoch",
        y_label=f"{_SCORED[table.setting.n_folds is not None]} F1 (%): mean; band: all seeds",
        title=table.setting.dataset,
        size=(7.0, 4.2),
    )
    save_chart(chart, path)
    return True


def _interval(row: TableRow, split: str) -> Interval:
    name, f1 = row.name, row.figures[split]["f1"]
    return Interval(
        row.title,
        mean=100 * f1.mean,
        deviation=100 * (f1.std or 0.0),
        values=[100 * run.figures(split)["f1"] for run in row.runs],
        colour=_HIGHLIGHTED.get(name, Colour.STEEL),
        has_guide=name in _HIGHLIGHTED,
    )


def _line(row: TableRow, *, colour: Colour, marker: str) -> Line:
    # With train.patience, seeds may stop after different epochs: each epoch is drawn over the runs that have it.
    n_epochs = max(len(run.dev_f1) for run in row.runs)
    by_epoch = [[100 * run.dev_f1[i] for run in row.runs if i < len(run.dev_f1)] for i in range(n_epochs)]
    return Line(
        row.title,
        xs=range(1, len(by_epoch) + 1),
        values=[sum(values) / len(values) for values in by_epoch],
        colour=colour,
        marker=marker,
        band=([min(values) for values in by_epoch], [max(values) for values in by_epoch]),
    )

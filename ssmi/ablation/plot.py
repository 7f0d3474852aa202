"""The ablation table as pictures. The same table gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ssmi.ablation.table import Table, TableRow
from ssmi.configurations import CURVES
from ssmi.plotting import drawing

_PLAIN, _SSMI, _BASELINE = "#56728f", "#0072b2", "#d55e00"
_CURVES: Sequence[tuple[str, str]] = (
    ("#0072b2", "o"),
    ("#e69f00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#5b5b5b", "v"),
)
"""Colour (Okabe and Ito's, told apart by all eyes) and marker of each row of CURVES."""


def plot_scores(table: Table, path: Path) -> bool:
    """F1 of every row with its standard deviation, and every run as a dot: of test, of dev where there is no test.

    Points rather than bars: rows lie within a point or two, and bars that do not start at zero would lie.
    """
    rows = table.rows
    split = rows[0].scored_splits[-1]
    with drawing(path, height=1.4 + 0.34 * len(rows)) as axes:
        for height, row in enumerate(rows):
            colour = {"ssmi": _SSMI, "bert-crf": _BASELINE}.get(row.configuration, _PLAIN)
            figure = row.figures[split]["f1"]
            single = [100 * run.figures(split)["f1"] for run in row.runs]
            axes.plot(single, [height] * len(single), "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
            axes.errorbar(100 * figure.mean, height, xerr=100 * (figure.std or 0.0), fmt="D", color=colour, capsize=3)
            if row.configuration in ("ssmi", "bert-crf"):
                axes.axvline(100 * figure.mean, color=colour, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(rows)), [row.title for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel(f"{split} F1 (%): mean and standard deviation; dots are seeds")
        axes.set_title(table.setting.dataset)
    return True


def plot_curves(table: Table, path: Path) -> bool:
    """Dev F1 against epochs for the rows of the paper's Figure 3; False and no file where none of them was run."""
    rows = {row.configuration: row for row in table.rows if row.configuration in CURVES}
    if not rows:
        path.unlink(missing_ok=True)
        return False
    with drawing(path, height=4.2) as axes:
        for name, (colour, marker) in zip(CURVES, _CURVES, strict=True):
            if name in rows:
                _curve(axes, rows[name], colour=colour, marker=marker)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.set_xlabel("epoch")
        axes.set_ylabel("dev F1 (%): mean; band: lowest to highest seed")
        axes.set_title(table.setting.dataset)
        axes.legend(frameon=False)
    return True


def _curve(axes: Axes, row: TableRow, *, colour: str, marker: str) -> None:
    by_epoch = list(zip(*(run.dev_f1 for run in row.runs), strict=True))
    epochs = range(1, len(by_epoch) + 1)
    means = [100 * sum(values) / len(values) for values in by_epoch]
    axes.plot(epochs, means, color=colour, marker=marker, markersize=4, label=row.title)
    lowest, highest = ([100 * choose(values) for values in by_epoch] for choose in (min, max))
    axes.fill_between(epochs, lowest, highest, color=colour, alpha=0.15, linewidth=0)

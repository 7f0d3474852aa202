"""A chart of means with their deviations and single values, with one row per mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssmi.charts.rendering import Canvas
from ssmi.charts.style import Colour


@dataclass(frozen=True, slots=True)
class Interval:
    """A row of the chart: a mean with its deviation and the single values."""

    name: str
    mean: float
    deviation: float
    values: Sequence[float]
    colour: Colour
    has_guide: bool = False
    """Whether to draw a dotted line down the chart at the mean."""


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Means as points, not bars: the rows differ by a point or two, and bars that do not start at zero mislead."""

    label: str
    intervals: Sequence[Interval]
    x_label: str
    title: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches; the height grows with the number of rows."""
        return 7.0, 1.4 + 0.34 * len(self.intervals)

    def draw(self, canvas: Canvas) -> None:
        """Draw a diamond with its deviation for each mean, and a dot for each value."""
        axes = canvas.axes
        for row, each in enumerate(self.intervals):
            colour = each.colour
            axes.plot(each.values, [row] * len(each.values), "o", color=colour, alpha=0.35, markeredgewidth=0)
            axes.errorbar(each.mean, row, xerr=each.deviation, fmt="D", color=colour, capsize=3, markersize=6)
            if each.has_guide:
                axes.axvline(each.mean, color=colour, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(self.intervals)), [each.name for each in self.intervals])
        # The y axis points upward, but the first row belongs on top.
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.set(xlabel=self.x_label, title=self.title)

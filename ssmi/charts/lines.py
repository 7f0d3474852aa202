"""Line charts over a common x axis, with bands and a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssmi.charts.backend import MaxNLocator
from ssmi.charts.rendering import Canvas
from ssmi.charts.style import SIZE, STEPS, Colour


@dataclass(frozen=True, slots=True)
class Line:
    """A line: values over ``xs``."""

    name: str
    xs: Sequence[float]
    values: Sequence[float]
    colour: Colour
    marker: str = "o"
    dashes: str = "-"
    band: tuple[Sequence[float], Sequence[float]] | None = None
    """The lowest and the highest value at each x."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a text."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over whole numbers, such as epochs."""

    label: str
    lines: Sequence[Line]
    x_label: str
    y_label: str = ""
    title: str = ""
    mark: Mark | None = None
    size: tuple[float, float] = SIZE

    def draw(self, canvas: Canvas) -> None:
        """Draw the lines with one dot per value, and a legend if there is more than one line."""
        axes = canvas.axes
        for line in self.lines:
            axes.plot(line.xs, line.values, color=line.colour, linestyle=line.dashes)
            for index, (x, value) in enumerate(zip(line.xs, line.values, strict=True)):
                # A dot is drawn as a line of one point, so that the first dot represents the line in the legend.
                label = line.name if index == 0 else None
                look = line.dashes + line.marker
                (dot,) = axes.plot([x], [value], look, color=line.colour, label=label)
                canvas.add_tooltip(dot, f"{line.name}, {self.x_label} {x:g}: {value:.4g}")
            if line.band is not None:
                axes.fill_between(line.xs, *line.band, color=line.colour, alpha=0.15, linewidth=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        axes.grid(axis="y")
        axes.set(xlabel=self.x_label, ylabel=self.y_label, title=self.title)
        if self.mark is not None:
            canvas.add_mark(self.mark.x, self.mark.text)
        if len(self.lines) > 1:
            canvas.add_legend()

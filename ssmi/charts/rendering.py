"""Rendering of charts to files or inline SVG. The same chart gives the same bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ssmi.charts.backend import Artist, Axes, Figure, MaxNLocator, style
from ssmi.charts.inline import page_svg
from ssmi.charts.pictures import check_picture
from ssmi.charts.style import SMALL, STEPS, STYLE, Colour
from ssmi.pipeline.contract.storage.replacing import writing

DPI = 200
"""Resolution of a PNG, in dots per inch."""


class Canvas:
    """The axes that a chart draws on, and the tooltips of the drawn elements."""

    def __init__(self, figure: Figure) -> None:
        self.axes: Axes = figure.add_subplot()
        self.tooltips: dict[str, str] = {}
        self._figure = figure

    def add_tooltip(self, artist: Artist, text: str) -> None:
        """Show ``text`` when the pointer is over ``artist``; pictures in files have no tooltips."""
        name = f"tooltip-{len(self.tooltips)}"
        artist.set_gid(name)
        self.tooltips[name] = text

    def add_mark(self, x: float, text: str) -> None:
        """Draw a dashed vertical line at ``x`` with ``text`` at its top; the limits of the axes must be set before."""
        low, high = self.axes.get_xlim()
        is_right = x > low + 0.6 * (high - low)
        self.axes.axvline(x, color=Colour.SOFT, linewidth=1, linestyle=(0, (3, 3)))
        self.axes.annotate(
            text,
            (x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if is_right else 4, 2),
            textcoords="offset points",
            ha="right" if is_right else "left",
            fontsize=SMALL,
        )

    def add_legend(self) -> None:
        """Add a legend of all labelled elements below the axes."""
        columns = int(self._figure.get_figwidth())
        self._figure.legend(loc="outside lower center", ncols=columns, handlelength=1.6, columnspacing=1.4)

    def write_y_in_percent(self) -> None:
        """Format the y axis, a share from 0 to 1, in per cent, and draw horizontal grid lines."""
        self.axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        self.axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
        self.axes.grid(axis="y")


class Chart(Protocol):
    """A chart that can be drawn on a canvas."""

    @property
    def label(self) -> str:
        """A short description of the chart, for readers who cannot see it."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""

    def draw(self, canvas: Canvas) -> None:
        """Draw on the axes of ``canvas``."""


def save_chart(chart: Chart, path: Path) -> None:
    """Write ``chart`` to ``path``, completely or not at all; the suffix, .svg or .png, determines the format.

    Raises:
        ParameterError: The suffix is another, or the folder does not exist.

    """
    check_picture(path)
    form = path.suffix[1:]
    # Leave out date and program version, which would change the bytes of the same chart.
    metadata = {"Date": None, "Creator": None, "Title": chart.label} if form == "svg" else {"Software": None}
    with _drawn(chart, background="white", fonttype="path") as (figure, _), writing(path) as temporary:
        figure.savefig(temporary, format=form, dpi=DPI, metadata=metadata)


def inline_svg(chart: Chart) -> str:
    """Return ``chart`` as an SVG element for the report's page, with the colour variables of its style sheet."""
    target = io.BytesIO()
    with _drawn(chart, background="none", fonttype="none") as (figure, canvas):
        for artist in figure.findobj():
            artist.set_clip_on(False)  # a clip path is referred to by url(#id), which the page lacks
        figure.savefig(target, format="svg", metadata={"Date": None})
    return page_svg(target.getvalue(), label=chart.label, tooltips=canvas.tooltips)


@contextmanager
def _drawn(chart: Chart, *, background: str, fonttype: str) -> Iterator[tuple[Figure, Canvas]]:
    """Yield the drawn chart, independent of the user's matplotlib settings, the clock and random ids."""
    # The salt determines the ids within an SVG, so that each chart of a page has its own ids.
    settings = {"svg.hashsalt": chart.label, "svg.fonttype": fonttype, "savefig.facecolor": background}
    with style.context([STYLE, settings], after_reset=True), warnings.catch_warnings():
        # A rare word may contain a character that the font lacks; a box is drawn in its place.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=chart.size, layout="constrained")
        canvas = Canvas(figure)
        chart.draw(canvas)
        yield figure, canvas

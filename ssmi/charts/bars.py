"""Bar charts of shares, and histograms drawn as steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssmi.charts.backend import MaxNLocator
from ssmi.charts.lines import Mark
from ssmi.charts.rendering import Canvas
from ssmi.charts.style import SIZE, SMALL, STEPS, Colour, percent


@dataclass(frozen=True, slots=True)
class BarChart:
    """One bar for each name, as high as its share (0 to 1)."""

    label: str
    names: Sequence[str]
    shares: Sequence[float]
    x_label: str
    size: tuple[float, float] = SIZE

    def draw(self, canvas: Canvas) -> None:
        """Draw the bars, each with its share on top."""
        axes = canvas.axes
        bars = axes.bar(range(len(self.names)), self.shares, width=0.76, color=Colour.BLUE, alpha=0.8)
        for bar, name, share in zip(bars, self.names, self.shares, strict=True):
            canvas.add_tooltip(bar, f"{name}: {share:.2%}")
        axes.bar_label(bars, [percent(share) for share in self.shares], padding=2, fontsize=SMALL)
        axes.set_xticks(range(len(self.names)), self.names)
        axes.tick_params(axis="x", length=0)
        # Leave room for the shares on top of the bars; if all shares are 0, the axis still needs a height.
        axes.set_ylim(0, 1.08 * (max(self.shares, default=0) or 1))
        canvas.write_y_in_percent()
        axes.set_xlabel(self.x_label)


@dataclass(frozen=True, slots=True)
class Steps:
    """One histogram: the share (0 to 1) of each bin."""

    name: str
    shares: Sequence[float]
    colour: Colour


@dataclass(frozen=True, slots=True)
class StepChart:
    """Overlaid histograms with the same bins; ``edges`` has one item more than the shares of each histogram."""

    label: str
    edges: Sequence[float]
    histograms: Sequence[Steps]
    x_label: str
    mark: Mark | None = None
    size: tuple[float, float] = SIZE

    def draw(self, canvas: Canvas) -> None:
        """Draw the histograms as filled steps.

        A single bin far above all others (the segment itself, at a cosine of 1) is cut off, so that the other bins stay
        visible; its share is written beside it.
        """
        axes = canvas.axes
        highest_of_bins = sorted(max(shares) for shares in zip(*(one.shares for one in self.histograms), strict=True))
        second, highest = [0.0, *highest_of_bins][-2:]
        is_cut = highest > 2.5 * second > 0
        top = (1.25 * second if is_cut else 1.05 * highest) or 1.0
        axes.set_xlim(self.edges[0], self.edges[-1])
        axes.set_ylim(0, top)
        for one in self.histograms:
            heights = [min(share, top) for share in one.shares]
            axes.stairs(
                heights,
                self.edges,
                fill=True,
                facecolor=(one.colour, 0.3),
                edgecolor=one.colour,
                linewidth=1.2,
                label=one.name,
            )
        if is_cut:
            self._write_cut_shares(canvas, top)
        canvas.write_y_in_percent()
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=STEPS))
        axes.set_xlabel(self.x_label)
        if self.mark is not None:
            canvas.add_mark(self.mark.x, self.mark.text)
        canvas.add_legend()

    def _write_cut_shares(self, canvas: Canvas, top: float) -> None:
        """Write cut-off shares beside their bin, in the colours of their histograms."""
        cut = [one for one in self.histograms if max(one.shares) > top]
        index = max(range(len(self.edges) - 1), key=lambda bin_: max(one.shares[bin_] for one in self.histograms))
        is_right = index > 0.6 * len(self.edges)
        for line, one in enumerate(cut):
            canvas.axes.annotate(
                f"{percent(max(one.shares))} ↑",
                (self.edges[index if is_right else index + 1], top),
                xytext=(-4 if is_right else 4, -4 - 1.2 * SMALL * line),
                textcoords="offset points",
                ha="right" if is_right else "left",
                va="top",
                fontsize=SMALL,
                color=one.colour,
            )

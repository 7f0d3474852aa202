"""A chart of candidate words and their cosines, in the manner of the paper's Figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssmi.charts.backend import FontProperties
from ssmi.charts.fonts import find_cjk_font
from ssmi.charts.rendering import Canvas
from ssmi.charts.style import SMALL, Colour


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A candidate word."""

    word: str
    cosine: float
    role: str
    """The name of its role in the legend."""
    colour: Colour


@dataclass(frozen=True, slots=True)
class CandidateChart:
    """The candidates of a character in a segment, with one row per candidate."""

    character: str
    segment: str
    rows: Sequence[CandidateRow]
    threshold: float
    """The cosine above which a word may enter the boundary set."""

    @property
    def label(self) -> str:
        """What the chart shows: the character and the segment."""
        return f"candidates of {self.character} in {self.segment} by cosine"

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches; the height grows with the number of rows."""
        return 7.0, 1.5 + 0.3 * len(self.rows)

    def draw(self, canvas: Canvas) -> None:
        """Draw a line for each word, as long as its cosine.

        Raises:
            MissingResourceError: No installed font has glyphs for the segment.
        """
        axes = canvas.axes
        font = FontProperties(fname=str(find_cjk_font(self.segment)))
        named: set[str] = set()
        for row, each in enumerate(self.rows):
            axes.plot([0, each.cosine], [row, row], color=each.colour, linewidth=2)
            # The legend names each role once.
            label = None if each.role in named else each.role
            axes.plot([each.cosine], [row], "o", color=each.colour, markersize=6, label=label)
            named.add(each.role)
            is_right = each.cosine >= 0
            axes.annotate(
                f"{each.cosine:.3f}",
                (each.cosine, row),
                xytext=(7 if is_right else -7, 0),
                textcoords="offset points",
                ha="left" if is_right else "right",
                va="center",
                fontsize=SMALL,
            )
        axes.axvline(0, color=Colour.INK, linewidth=0.8)
        axes.axvline(self.threshold, color=Colour.SOFT, linewidth=0.9, linestyle=":", label="threshold of the set")
        axes.set_yticks(range(len(self.rows)), [each.word for each in self.rows], fontproperties=font, fontsize=12)
        # The y axis points upward, but the nearest candidate belongs on top.
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.grid(axis="x")
        axes.set_xlabel("cosine")
        axes.set_title(f"{self.character} · {self.segment}", fontproperties=font, fontsize=14)
        canvas.add_legend()

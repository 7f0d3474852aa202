"""The colours and the look that all charts share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Colour(StrEnum):
    """The colours of charts, as they are in a picture file.

    On the report's page each is the variable of its name (``BLUE`` is ``var(--blue)``), which the style sheet defines
    for light and dark mode. The strong ones are Okabe and Ito's, which people with any colour vision can tell apart.
    """

    INK = "#1d2129"
    SOFT = "#5d6470"
    LINE = "#e2dfd9"
    BLUE = "#0072b2"
    ORANGE = "#d55e00"
    GREEN = "#009e73"
    PURPLE = "#8a5a9e"
    AMBER = "#e69f00"
    PINK = "#cc79a7"
    GREY = "#9aa3ad"
    STEEL = "#56728f"

    @property
    def css(self) -> str:
        """The colour as a style sheet of the page knows it."""
        return f"var(--{self.name.lower()})"


SIZE = (5.3, 2.9)
"""Width and height of a chart in inches; one inch is 72 units of an SVG."""

STYLE: dict[str, Any] = {
    "font.size": 10,
    "text.color": Colour.SOFT,
    "axes.titlesize": 11,
    "axes.titlecolor": Colour.INK,
    "axes.labelcolor": Colour.SOFT,
    "axes.edgecolor": Colour.LINE,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": Colour.LINE,
    "xtick.color": Colour.LINE,
    "xtick.labelcolor": Colour.SOFT,
    "ytick.color": Colour.LINE,
    "ytick.labelcolor": Colour.SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}
SMALL = 8.5
"""Size of the text of a bar or a mark."""
STEPS = (1, 2, 5, 10)
"""Between two ticks of an axis there is one of these, or it times a power of ten."""


def percent(share: float) -> str:
    """0.123 as 12%; below 10% with one decimal."""
    return f"{100 * share:.0f}%" if share >= 0.0995 or not share else f"{100 * share:.1f}%"

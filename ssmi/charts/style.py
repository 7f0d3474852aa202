"""The colours and style settings that all charts share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Colour(StrEnum):
    """The colours of charts, as used in picture files.

    On the report's page, each colour is a variable of the same name (``BLUE`` is ``var(--blue)``), which the style
    sheet defines for light and dark mode. The strong colours are those of Okabe and Ito, which people with any colour
    vision can distinguish.
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
        """The colour as a variable of the page's style sheet."""
        return f"var(--{self.name.lower()})"


SIZE = (5.3, 2.9)
"""Default width and height of a chart in inches; an inch is 72 units in an SVG."""

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
"""Font size of the text at bars and marks."""
STEPS = (1, 2, 5, 10)
"""Allowed distances between two ticks of an axis, each times any power of ten."""


def percent(share: float) -> str:
    """Format a share in per cent: 0.123 as 12%, and with one decimal below 10%."""
    return f"{100 * share:.0f}%" if share >= 0.0995 or not share else f"{100 * share:.1f}%"

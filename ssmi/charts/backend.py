"""The parts of matplotlib that the charts use. No other module imports matplotlib."""

from __future__ import annotations

from ssmi.pipeline.contract.extras import needs

with needs("plots", "drawing charts"):
    from matplotlib import style
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findSystemFonts
    from matplotlib.ft2font import FT2Font
    from matplotlib.ticker import MaxNLocator

__all__ = [
    "Artist",
    "Axes",
    "FT2Font",
    "Figure",
    "FontProperties",
    "MaxNLocator",
    "findSystemFonts",
    "style",
]

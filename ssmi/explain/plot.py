"""Candidates and their cosines as a picture, in the manner of the paper's Figure 1."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from matplotlib.font_manager import FontProperties

from ssmi.explain.explanation import Candidate, Explanation
from ssmi.plotting import drawing, find_cjk_font

_COLOURS = {"best": "#d55e00", "set": "#0072b2", "negative": "#cc79a7", "": "#9aa3ad"}


def plot(explanation: Explanation, shown: Sequence[Candidate], path: Path) -> None:
    """Draw a line to each of ``shown`` as long as its cosine, into a file that ends in .svg or .png.

    Raises MissingResourceError where no installed font can write the character and the segment.
    """
    font = FontProperties(fname=str(find_cjk_font(explanation.segment)))
    with warnings.catch_warnings(), drawing(path, height=1.5 + 0.3 * len(shown)) as axes:
        # A rare word of the vocabulary may hold a character that the font lacks: a box is drawn for it.
        warnings.filterwarnings("ignore", message="Glyph")
        drawn = set()
        for height, one in enumerate(shown):
            role = role_of(one)
            colour = _COLOURS[role]
            name = {"best": "best", "set": "in the set", "negative": "negative", "": "other candidates"}[role]
            axes.plot([0, one.cosine], [height, height], color=colour, linewidth=2)
            axes.plot([one.cosine], [height], "o", color=colour, label=None if role in drawn else name)
            axes.annotate(
                f"{one.cosine:.3f}",
                (one.cosine, height),
                xytext=(7 if one.cosine >= 0 else -7, 0),
                textcoords="offset points",
                ha="left" if one.cosine >= 0 else "right",
                va="center",
                fontsize=8,
            )
            drawn.add(role)
        axes.axvline(0, color="#1d2129", linewidth=0.8)
        axes.axvline(
            explanation.params.threshold, color="#5d6470", linewidth=0.9, linestyle=":", label="threshold of the set"
        )
        axes.set_yticks(range(len(shown)), [one.word for one in shown], fontproperties=font, fontsize=12)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel("cosine")
        axes.set_title(f"{explanation.character} · {explanation.segment}", fontproperties=font, fontsize=14)
        axes.legend(frameon=False, fontsize=8, loc="lower right")


def role_of(one: Candidate) -> str:
    """The one word for a candidate: best, set, negative, or none."""
    return "best" if one.best else "set" if one.in_set else "negative" if one.negative else ""

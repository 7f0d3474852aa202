"""A picture of the candidates of a character in a segment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ssmi.charts.candidates import CandidateChart, CandidateRow
from ssmi.charts.rendering import save_chart
from ssmi.charts.style import Colour
from ssmi.explain.explanation import Candidate, Explanation

Role = Literal["best", "set", "negative", ""]
_LOOKS: dict[Role, tuple[str, Colour]] = {
    "best": ("best", Colour.ORANGE),
    "set": ("in the set", Colour.BLUE),
    "negative": ("negative", Colour.PINK),
    "": ("other candidates", Colour.GREY),
}
"""Role → name in the legend, and colour."""


def plot_candidates(explanation: Explanation, shown: Sequence[Candidate], path: Path) -> None:
    """Write a picture with a line for each candidate, as long as its cosine.

    Args:
        explanation: The result of ``explain``.
        shown: The candidates to draw, in this order.
        path: The .svg or .png to write.

    Raises:
        MissingResourceError: No installed font has glyphs for the segment.
    """
    rows = [CandidateRow(one.word, one.cosine, *_LOOKS[_role(one)]) for one in shown]
    chart = CandidateChart(explanation.character, explanation.segment, rows, explanation.params.threshold)
    save_chart(chart, path)


def _role(candidate: Candidate) -> Role:
    """Return the role in which the candidate was chosen: best, set, negative, or empty."""
    if candidate.best:
        return "best"
    return "set" if candidate.in_set else "negative" if candidate.negative else ""

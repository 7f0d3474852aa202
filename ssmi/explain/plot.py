"""A picture of the candidates of a character in a segment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt

from ssmi.charts.candidates import CandidateChart, CandidateRow
from ssmi.charts.rendering import save_chart
from ssmi.charts.style import Colour
from ssmi.explain.explanation import Candidate, Explanation
from ssmi.pipeline.contract.arguments import checked

Role = Literal["best", "set", "negative", ""]
_LOOKS: dict[Role, tuple[str, Colour]] = {
    "best": ("best", Colour.ORANGE),
    "set": ("in the set", Colour.BLUE),
    "negative": ("negative", Colour.PINK),
    "": ("other candidates", Colour.GREY),
}
"""Role → name in the legend, and colour."""


@checked
def plot_candidates(explanation: Explanation, path: str | Path, *, top: NonNegativeInt = 10) -> None:
    """Write a picture with a line for each candidate, as long as its cosine.

    Args:
        explanation: The result of ``Project.explain``.
        path: The .svg or .png to write.
        top: Number of nearest candidates to draw, beside all chosen ones; 0 for all candidates.

    Raises:
        ParameterError: The file name ends in something else, or its folder does not exist.
        MissingResourceError: No installed font has glyphs for the segment.

    """
    rows = [CandidateRow(one.word, one.cosine, *_LOOKS[_role(one)]) for one in explanation.nearest(top)]
    chart = CandidateChart(explanation.character, explanation.segment, rows, explanation.params.threshold)
    save_chart(chart, Path(path))


def _role(candidate: Candidate) -> Role:
    """Return the role in which the candidate was chosen: best, set, negative, or empty."""
    if candidate.best:
        return "best"
    return "set" if candidate.in_set else "negative" if candidate.negative else ""

"""A picture of candidates needs a font for its words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ssmi.charts.candidates import CandidateChart, CandidateRow
from ssmi.charts.rendering import inline_svg
from ssmi.charts.style import Colour
from ssmi.pipeline.contract.errors import MissingResourceError

ReadTexts = Callable[[str], list[str]]


def test_each_word_has_its_cosine_and_each_role_one_label(texts: ReadTexts) -> None:
    rows = [
        CandidateRow("abc", 0.91, "best", Colour.ORANGE),
        CandidateRow("ab", 0.5, "in the set", Colour.BLUE),
        CandidateRow("ac", -0.25, "in the set", Colour.BLUE),
    ]
    svg = inline_svg(CandidateChart("a", "abc", rows, threshold=0.45))
    written = texts(svg)
    assert {"abc", "ab", "ac", "0.910", "0.500", "-0.250", "best", "threshold of the set"} <= set(written)
    assert written.count("in the set") == 1
    assert 'aria-label="candidates of a in abc by cosine"' in svg


def test_a_segment_without_a_font_is_refused() -> None:
    unassigned = "\U000e0fff"
    with pytest.raises(MissingResourceError, match="no installed font can write"):
        inline_svg(CandidateChart(unassigned, unassigned, [], threshold=0.5))

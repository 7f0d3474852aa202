"""Bars and histograms show shares, and cut off a bar that would make the others too small."""

from __future__ import annotations

import re
from collections.abc import Callable

from ssmi.charts.bars import BarChart, StepChart, Steps
from ssmi.charts.rendering import inline_svg
from ssmi.charts.style import Colour

ReadTexts = Callable[[str], list[str]]


def test_bars_show_their_share_and_names_are_escaped(texts: ReadTexts, tooltips: ReadTexts) -> None:
    svg = inline_svg(BarChart("shares", ["0", "<&>"], [0.25, 0.75], x_label="how many"))
    assert {"25%", "75%", "0", "&lt;&amp;&gt;", "how many"} <= set(texts(svg))
    assert tooltips(svg) == ["0: 25.00%", "&lt;&amp;&gt;: 75.00%"]


def test_a_bin_far_above_the_others_is_cut_off_and_labelled(texts: ReadTexts) -> None:
    edges = [0.0, 0.25, 0.5, 0.75, 1.0]
    even = StepChart("even", edges, [Steps("all", [0.2, 0.3, 0.3, 0.2], Colour.GREY)], x_label="cosine")
    peak = StepChart(
        "peak",
        edges,
        [Steps("all", [0.1, 0.1, 0.2, 0.6], Colour.GREY), Steps("best", [0.0, 0.0, 0.04, 0.96], Colour.BLUE)],
        x_label="cosine",
    )
    assert not [text for text in texts(inline_svg(even)) if "↑" in text]
    svg = inline_svg(peak)
    assert [text for text in texts(svg) if "↑" in text] == ["60% ↑", "96% ↑"]
    axis = [int(text[:-1]) for text in texts(svg) if re.fullmatch(r"\d+%", text)]
    assert axis and max(axis) < 60


def test_an_empty_histogram_can_be_drawn(texts: ReadTexts) -> None:
    empty = StepChart("nothing", [0.0, 1.0], [Steps("all", [0.0], Colour.GREY)], x_label="cosine")
    assert "cosine" in texts(inline_svg(empty))

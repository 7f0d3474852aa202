"""Lines have a legend, a mark, and a tooltip for each value."""

from __future__ import annotations

from collections.abc import Callable

from ssmi.charts.lines import Line, LineChart, Mark
from ssmi.charts.rendering import inline_svg
from ssmi.charts.style import Colour

ReadTexts = Callable[[str], list[str]]
EPOCHS = [1, 2, 3]
SCORES = LineChart(
    "scores",
    [Line("F1", EPOCHS, [10.0, 20.0, 30.0], Colour.BLUE), Line("recall", EPOCHS, [5.0, 25.0, 15.0], Colour.GREEN)],
    x_label="epoch",
    mark=Mark(2, "epoch 2: these weights"),
)


def test_lines_have_a_legend_a_mark_and_a_tooltip_for_each_value(texts: ReadTexts, tooltips: ReadTexts) -> None:
    svg = inline_svg(SCORES)
    assert {"F1", "recall", "epoch", "epoch 2: these weights"} <= set(texts(svg))
    assert tooltips(svg) == [
        *("F1, epoch 1: 10", "F1, epoch 2: 20", "F1, epoch 3: 30"),
        *("recall, epoch 1: 5", "recall, epoch 2: 25", "recall, epoch 3: 15"),
    ]


def test_one_line_has_no_legend_and_one_epoch_can_be_drawn(texts: ReadTexts, tooltips: ReadTexts) -> None:
    svg = inline_svg(LineChart("loss", [Line("loss", [1], [0.5], Colour.PURPLE)], x_label="epoch"))
    assert "loss" not in texts(svg) and "1" in texts(svg) and tooltips(svg) == ["loss, epoch 1: 0.5"]

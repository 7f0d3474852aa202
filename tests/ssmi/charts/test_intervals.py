"""Interval charts have a row for each mean and a dot for each of its values."""

from __future__ import annotations

from collections.abc import Callable

from ssmi.charts.intervals import Interval, IntervalChart
from ssmi.charts.rendering import inline_svg
from ssmi.charts.style import Colour

ReadTexts = Callable[[str], list[str]]


def chart(*names: str) -> IntervalChart:
    rows = [Interval(name, 60.0, 1.0, [59.0, 61.0], Colour.BLUE, has_guide=True) for name in names]
    return IntervalChart("rows", rows, x_label="F1", title="weibo")


def test_every_row_is_named(texts: ReadTexts) -> None:
    assert {"SSMI", "BERT-CRF", "F1", "weibo"} <= set(texts(inline_svg(chart("SSMI", "BERT-CRF"))))


def test_more_rows_make_a_taller_chart() -> None:
    assert chart("SSMI").size[1] < chart("SSMI", "BERT-CRF").size[1]


def test_every_value_has_a_dot() -> None:
    single, several = (
        inline_svg(IntervalChart("rows", [Interval("SSMI", 60.0, 1.0, values, Colour.BLUE)], x_label="", title=""))
        for values in ([60.0], [60.0, 60.5, 59.5])
    )
    assert several.count("<use ") == single.count("<use ") + 2

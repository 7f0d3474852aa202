"""Every chart, inline and as a file: named, coloured by the page, not cut off, and reproducible to the byte."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import matplotlib
import pytest

from ssmi.charts.bars import BarChart, StepChart, Steps
from ssmi.charts.intervals import Interval, IntervalChart
from ssmi.charts.lines import Line, LineChart, Mark
from ssmi.charts.reliability import ReliabilityChart
from ssmi.charts.rendering import Chart, inline_svg, save_chart
from ssmi.charts.style import Colour
from ssmi.model.evaluation.calibration import calibrate

CALIBRATION = calibrate([(0.95, True), (0.92, True), (0.91, False), (0.3, False), (0.35, True)])
EPOCHS = [1, 2, 3]
CHARTS: dict[str, Chart] = {
    chart.label: chart
    for chart in (
        LineChart(
            "scores",
            [
                Line("F1", EPOCHS, [10.0, 20.0, 30.0], Colour.BLUE),
                Line("recall", EPOCHS, [5.0, 25.0, 15.0], Colour.GREEN, band=([1.0, 20.0, 10.0], [9.0, 30.0, 20.0])),
            ],
            x_label="epoch",
            mark=Mark(2, "epoch 2: these weights"),
        ),
        BarChart("shares", ["0", "<&>"], [0.25, 0.75], x_label="how many"),
        StepChart("cosines", [0.0, 0.5, 1.0], [Steps("all", [0.5, 0.5], Colour.GREY)], x_label="cosine"),
        ReliabilityChart(CALIBRATION),
        IntervalChart("rows", [Interval("SSMI", 60.0, 1.0, [59.0, 61.0], Colour.BLUE)], x_label="F1", title="weibo"),
    )
}


@pytest.fixture(params=sorted(CHARTS))
def chart(request: pytest.FixtureRequest) -> Chart:
    return CHARTS[request.param]


def test_a_chart_has_a_label_and_the_colours_of_the_page(chart: Chart) -> None:
    svg = inline_svg(chart)
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    assert 'role="img"' in svg and f'aria-label="{chart.label}"' in svg
    assert "var(--soft)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_a_chart_has_no_external_references(chart: Chart) -> None:
    svg = inline_svg(chart)
    assert "://" not in svg and "url(" not in svg and "<style" not in svg
    ids = Counter(re.findall(r' id="([^"]*)"', svg))
    assert set(re.findall(r'href="#([^"]*)"', svg)) == set(ids)
    assert set(ids.values()) <= {1}


def test_charts_of_one_page_share_no_id() -> None:
    ids = Counter(name for chart in CHARTS.values() for name in re.findall(r' id="([^"]*)"', inline_svg(chart)))
    assert ids and set(ids.values()) == {1}


def test_inline_charts_are_reproducible_with_any_settings(chart: Chart) -> None:
    expected = inline_svg(chart)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        assert inline_svg(chart) == expected


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_chart_files_are_reproducible_and_have_no_date(chart: Chart, tmp_path: Path, suffix: str, start: bytes) -> None:
    first, second = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    save_chart(chart, first)
    save_chart(chart, second)
    content = first.read_bytes()
    assert content == second.read_bytes() and content.startswith(start)
    assert b"<dc:date>" not in content and b"Matplotlib" not in content
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_a_failed_plot_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same first dimension"):
        save_chart(LineChart("bad", [Line("F1", [1, 2], [1.0], Colour.BLUE)], x_label="epoch"), tmp_path / "bad.svg")
    assert list(tmp_path.iterdir()) == []

"""Every chart, inline and as a file: its parts, its colours, the same bytes each time."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import matplotlib
import pytest

from ssmi.charts.bars import BarChart, StepChart, Steps
from ssmi.charts.intervals import Interval, IntervalChart
from ssmi.charts.lines import Line, LineChart, Mark
from ssmi.charts.reliability import ReliabilityChart, plot_reliability
from ssmi.charts.rendering import Chart, inline_svg, save_chart
from ssmi.charts.style import Colour, percent
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


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def tooltips(svg: str) -> list[str]:
    return re.findall(r"<title>([^<]*)</title>", svg)


# --- on a page --------------------------------------------------------------------------------------------------------


def test_a_chart_has_a_name_and_the_colours_of_the_page(chart: Chart) -> None:
    svg = inline_svg(chart)
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
    assert 'role="img"' in svg and f'aria-label="{chart.label}"' in svg
    assert "var(--soft)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_a_chart_refers_to_nothing_outside_of_itself(chart: Chart) -> None:
    svg = inline_svg(chart)
    assert "://" not in svg and "url(" not in svg and "<style" not in svg
    ids = Counter(re.findall(r' id="([^"]*)"', svg))
    assert set(re.findall(r'href="#([^"]*)"', svg)) == set(ids)
    assert set(ids.values()) <= {1}


def test_charts_of_one_page_share_no_id() -> None:
    ids = Counter(name for chart in CHARTS.values() for name in re.findall(r' id="([^"]*)"', inline_svg(chart)))
    assert ids and set(ids.values()) == {1}


def test_the_same_chart_gives_the_same_bytes_whatever_the_settings(chart: Chart) -> None:
    once = inline_svg(chart)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": None}):
        assert inline_svg(chart) == once


def test_lines_have_a_legend_a_mark_and_a_tooltip_for_each_value() -> None:
    svg = inline_svg(CHARTS["scores"])
    assert {"F1", "recall", "epoch", "epoch 2: these weights"} <= set(texts(svg))
    assert tooltips(svg) == [
        *("F1, epoch 1: 10", "F1, epoch 2: 20", "F1, epoch 3: 30"),
        *("recall, epoch 1: 5", "recall, epoch 2: 25", "recall, epoch 3: 15"),
    ]


def test_one_line_needs_no_legend_and_one_epoch_is_a_chart() -> None:
    svg = inline_svg(LineChart("loss", [Line("loss", [1], [0.5], Colour.PURPLE)], x_label="epoch"))
    assert "loss" not in texts(svg) and "1" in texts(svg) and tooltips(svg) == ["loss, epoch 1: 0.5"]


def test_bars_have_their_share_and_names_stay_text() -> None:
    svg = inline_svg(CHARTS["shares"])
    assert {"25%", "75%", "0", "&lt;&amp;&gt;", "how many"} <= set(texts(svg))
    assert tooltips(svg) == ["0: 25.00%", "&lt;&amp;&gt;: 75.00%"]


def test_a_bin_far_above_the_others_is_cut_off_and_named() -> None:
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
    assert [text for text in texts(svg) if "↑" in text] == ["all: 60% ↑", "best: 96% ↑"]
    axis = [int(text[:-1]) for text in texts(svg) if re.fullmatch(r"\d+%", text)]
    assert axis and max(axis) < 60


def test_a_histogram_of_nothing_is_a_chart() -> None:
    nothing = StepChart("nothing", [0.0, 1.0], [Steps("all", [0.0], Colour.GREY)], x_label="cosine")
    assert "cosine" in texts(inline_svg(nothing))


def test_reliability_has_a_bar_for_each_bin_with_an_entity() -> None:
    svg = inline_svg(ReliabilityChart(CALIBRATION))
    assert tooltips(svg) == [
        "2 entities of mean probability 32.50%: 50.00% are right",
        "3 entities of mean probability 92.67%: 66.67% are right",
    ]


# --- in a file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_file_is_the_same_each_time_and_names_no_clock(
    chart: Chart, tmp_path: Path, suffix: str, start: bytes
) -> None:
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    save_chart(chart, one)
    save_chart(chart, two)
    content = one.read_bytes()
    assert content == two.read_bytes() and content.startswith(start)
    assert b"<dc:date>" not in content and b"Matplotlib" not in content
    assert sorted(path.name for path in tmp_path.iterdir()) == [one.name, two.name]


def test_a_file_that_cannot_be_drawn_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same first dimension"):
        save_chart(LineChart("bad", [Line("F1", [1, 2], [1.0], Colour.BLUE)], x_label="epoch"), tmp_path / "bad.svg")
    assert list(tmp_path.iterdir()) == []


def test_reliability_in_a_file_has_other_bytes_for_other_figures(tmp_path: Path) -> None:
    plot_reliability(CALIBRATION, tmp_path / "one.svg")
    plot_reliability(calibrate([(0.5, True)]), tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() != (tmp_path / "two.svg").read_bytes()


# --- the look ---------------------------------------------------------------------------------------------------------


def test_the_page_defines_every_colour_for_light_and_dark_mode(repository: Path) -> None:
    sheet = (repository / "ssmi" / "report" / "templates" / "page.css").read_text(encoding="utf-8")
    for colour in Colour:
        light, dark = re.findall(rf"--{colour.name.lower()}: (#[0-9a-f]{{3,6}});", sheet)
        assert light == colour.value and dark != light


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (0.004, "0.4%"), (0.0994, "9.9%"), (0.123, "12%"), (1.0, "100%")]
)
def test_small_shares_have_a_decimal(share: float, text: str) -> None:
    assert percent(share) == text

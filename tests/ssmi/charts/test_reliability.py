"""The reliability chart shows each bin with an entity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ssmi.charts.reliability import ReliabilityChart, plot_reliability
from ssmi.charts.rendering import inline_svg
from ssmi.model.evaluation.calibration import calibrate

ReadTexts = Callable[[str], list[str]]
CALIBRATION = calibrate([(0.95, True), (0.92, True), (0.91, False), (0.3, False), (0.35, True)])


def test_reliability_has_a_bar_for_each_bin_with_an_entity(tooltips: ReadTexts) -> None:
    svg = inline_svg(ReliabilityChart(CALIBRATION))
    assert tooltips(svg) == [
        "2 entities of mean probability 32.50%: 50.00% are right",
        "3 entities of mean probability 92.67%: 66.67% are right",
    ]


def test_different_figures_give_different_files(tmp_path: Path) -> None:
    plot_reliability(CALIBRATION, tmp_path / "one.svg")
    plot_reliability(calibrate([(0.5, True)]), tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() != (tmp_path / "two.svg").read_bytes()

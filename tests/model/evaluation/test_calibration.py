"""Calibration against hand-made counts and against a plain loop."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.evaluation.calibration import BINS, Bin, calibrate, scored_predictions
from ssmi.pipeline.contract.labels import Span


def test_calibration_equals_hand_made_counts() -> None:
    calibration = calibrate([(0.95, True), (0.91, True), (1.0, False), (0.55, True), (0.5, False), (0.0, False)])
    assert (calibration.n, calibration.precision) == (6, 0.5)
    assert calibration.mean_probability == pytest.approx(3.91 / 6)
    filled = {round(part.low, 1): part for part in calibration.bins if part.n}
    assert list(filled) == [0.0, 0.5, 0.9]
    assert filled[0.9] == Bin(0.9, 1.0, 3, pytest.approx(2.86 / 3), pytest.approx(2 / 3))
    assert filled[0.5] == Bin(0.5, 0.6, 2, pytest.approx(0.525), 0.5)
    assert filled[0.0] == Bin(0.0, 0.1, 1, 0.0, 0.0)
    assert calibration.ece == pytest.approx((3 * (2.86 / 3 - 2 / 3) + 2 * 0.025) / 6)
    assert calibration.brier == pytest.approx((0.05**2 + 0.09**2 + 1 + 0.45**2 + 0.25 + 0) / 6)
    assert calibration.to_json()["bins"][9]["n"] == 3


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())))
def test_calibration_equals_a_plain_loop(pairs: list[tuple[float, bool]]) -> None:
    calibration = calibrate(pairs)
    expected = 0.0
    for place in range(BINS):
        last = place == BINS - 1
        inside = [pair for pair in pairs if place / BINS <= pair[0] and (last or pair[0] < (place + 1) / BINS)]
        assert calibration.bins[place].n == len(inside)
        if inside:
            mean, right = (math.fsum(values) / len(inside) for values in zip(*inside, strict=True))
            expected += len(inside) / len(pairs) * abs(mean - right)
    assert calibration.ece == pytest.approx(expected, abs=1e-9) and 0 <= calibration.ece <= 1
    assert sum(inside.n for inside in calibration.bins) == calibration.n == len(pairs)


def test_no_predictions_give_zero() -> None:
    calibration = calibrate([])
    assert (calibration.n, calibration.ece, calibration.brier) == (0, 0.0, 0.0)


def test_entity_is_correct_only_if_span_and_type_match() -> None:
    gold = [Span(0, 2, "PER"), Span(3, 5, "LOC")]
    predicted = [Span(0, 2, "PER"), Span(3, 5, "ORG"), Span(6, 7, "LOC")]
    assert scored_predictions(gold, predicted, [0.9, 0.8, 0.7]) == [(0.9, True), (0.8, False), (0.7, False)]


def test_probability_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        calibrate([(1.5, True)])

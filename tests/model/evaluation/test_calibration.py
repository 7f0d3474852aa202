"""Calibration against counts made by hand and against a plain loop."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.evaluation.calibration import BINS, Bin, calibrate, guesses
from ssmi.pipeline.contract.labels import Span


def test_by_hand() -> None:
    found = calibrate([(0.95, True), (0.91, True), (1.0, False), (0.55, True), (0.5, False), (0.0, False)])
    assert (found.n, found.precision) == (6, 0.5)
    assert found.mean_probability == pytest.approx(3.91 / 6)
    filled = {round(own.low, 1): own for own in found.bins if own.n}
    assert list(filled) == [0.0, 0.5, 0.9]
    assert filled[0.9] == Bin(0.9, 1.0, 3, pytest.approx(2.86 / 3), pytest.approx(2 / 3))
    assert filled[0.5] == Bin(0.5, 0.6, 2, pytest.approx(0.525), 0.5)
    assert filled[0.0] == Bin(0.0, 0.1, 1, 0.0, 0.0)
    assert found.ece == pytest.approx((3 * (2.86 / 3 - 2 / 3) + 2 * 0.025) / 6)
    assert found.brier == pytest.approx((0.05**2 + 0.09**2 + 1 + 0.45**2 + 0.25 + 0) / 6)
    assert found.to_json()["bins"][9]["n"] == 3


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())))
def test_the_same_as_a_plain_loop(pairs: list[tuple[float, bool]]) -> None:
    found = calibrate(pairs)
    expected = 0.0
    for place in range(BINS):
        last = place == BINS - 1
        own = [pair for pair in pairs if place / BINS <= pair[0] and (last or pair[0] < (place + 1) / BINS)]
        assert found.bins[place].n == len(own)
        if own:
            mean, right = (math.fsum(values) / len(own) for values in zip(*own, strict=True))
            expected += len(own) / len(pairs) * abs(mean - right)
    assert found.ece == pytest.approx(expected, abs=1e-9) and 0 <= found.ece <= 1
    assert sum(own.n for own in found.bins) == found.n == len(pairs)


def test_nothing_predicted() -> None:
    found = calibrate([])
    assert (found.n, found.ece, found.brier) == (0, 0.0, 0.0)


def test_an_entity_is_right_where_it_is_gold_as_it_stands() -> None:
    gold = [Span(0, 2, "PER"), Span(3, 5, "LOC")]
    predicted = [Span(0, 2, "PER"), Span(3, 5, "ORG"), Span(6, 7, "LOC")]
    assert guesses(gold, predicted, [0.9, 0.8, 0.7]) == [(0.9, True), (0.8, False), (0.7, False)]


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        calibrate([(1.5, True)])

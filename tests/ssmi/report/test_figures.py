"""A panel has its charts, or states why it has none."""

from __future__ import annotations

import pytest

from ssmi.model.evaluation.calibration import calibrate
from ssmi.model.runs.results.history import Epoch
from ssmi.report.feature_statistics import FeatureStatistics, QueryResult
from ssmi.report.figures import calibration_panel, candidates_panel, cosines_panel, epochs_panel

HISTORY = [Epoch(1, 9.0, 0.5, 0.25, 0.33), Epoch(2, 4.0, 0.75, 0.5, 0.6)]


def statistics(**results: QueryResult) -> FeatureStatistics:
    names = ("cosines", "best", "candidates", "segments", "in_vocabulary", "in_train")
    return FeatureStatistics(**{name: results.get(name, QueryResult()) for name in names})


def test_without_predicted_entities_calibration_is_omitted() -> None:
    panel = calibration_panel(calibrate([]))
    assert not panel.figures and panel.why_omitted == "Not shown: no entity was predicted."


def test_calibration_is_described_in_words() -> None:
    (figure,) = calibration_panel(calibrate([(0.8, True), (0.8, False)])).figures
    assert "Expected calibration error 30.00%" in figure.note and "2 predicted entities, 80.00% sure" in figure.note


@pytest.mark.parametrize(("best_epoch", "is_marked"), [(2, True), (7, False)])
def test_the_best_epoch_is_marked_if_it_is_in_the_history(best_epoch: int, is_marked: bool) -> None:
    panel = epochs_panel(HISTORY, best_epoch=best_epoch, split="dev")
    assert ["epoch 2: these weights" in figure.svg for figure in panel.figures] == [is_marked, is_marked]
    assert "<title>F1, epoch 2: 60</title>" in panel.figures[0].svg and not panel.figures[0].note
    assert "Dev scores" in epochs_panel(HISTORY, best_epoch=2, split="test").figures[0].note


def test_without_a_history_epochs_are_omitted() -> None:
    assert "no history.csv" in epochs_panel([], best_epoch=1, split="dev").why_omitted


def test_cosines_are_shown_for_filled_bins_with_the_threshold() -> None:
    features = statistics(cosines=QueryResult([(60, 3), (99, 1)]), best=QueryResult([(99, 1)]))
    (figure,) = cosines_panel(features, threshold=0.5).figures
    assert "threshold 0.5" in figure.svg and "4 candidates of 1 distinct pairs" in figure.note
    (outside,) = cosines_panel(features, threshold=0.1).figures
    assert "threshold" not in outside.svg
    assert cosines_panel(statistics(), threshold=None).why_omitted == "Not shown: no character has a candidate."
    missing = statistics(best=QueryResult(why_omitted="Not built."))
    assert cosines_panel(missing, threshold=0.5).why_omitted == "Not built."


def test_candidates_are_counted_in_bins_of_powers_of_two() -> None:
    (figure,) = candidates_panel(statistics(candidates=QueryResult([(-1, 1), (1, 2), (10, 1)])), split="dev").figures
    for name, share in (("0", "25.00%"), ("1", "0.00%"), ("2", "50.00%"), ("512", "0.00%"), ("1k", "25.00%")):
        assert f"<title>{name}: {share}</title>" in figure.svg
    assert figure.note.startswith("Share of the 4 characters of dev")
    assert candidates_panel(statistics(), split="dev").why_omitted == "Not shown: dev has no character."

"""The folds of a seed pooled into one run: counts are added, and sentences are joined in the order of the folds."""

from __future__ import annotations

import pytest

from ssmi.ablation.pooling import pool, pool_metrics
from ssmi.ablation.table import FinishedRun
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.results.metrics_file import RunMetrics


def _fold(
    *values: int, best_epoch: int = 2, dev_f1: tuple[float, ...] = (0.1, 0.2), counted: bool = True, label: str = "PER"
) -> FinishedRun:
    counts = EntityCounts(*values)
    scores = Scores(counts, {label: counts}, {"named": counts}, counts, ill_formed=1, n_sentences=1)
    counts_by_split = {"dev": SentenceCounts([f"{label}{values}"], [{label: counts}])} if counted else {}
    return FinishedRun(13, best_epoch, RunMetrics({"dev": scores}), dev_f1, counts_by_split)


def test_counts_are_pooled_not_averaged() -> None:
    run = pool({2: _fold(9, 9, 0), 1: _fold(1, 1, 1)})
    assert list(run.metrics.by_split) == ["folds"]
    scores = run.metrics.by_split["folds"]
    assert scores.overall == scores.by_type["PER"] == scores.by_group["named"] == EntityCounts(10, 10, 1)
    assert (scores.ill_formed, scores.n_sentences) == (2, 2)
    assert run.figures("folds")["f1"] == pytest.approx(0.1)
    assert list(run.fold_f1.items()) == [(1, 1.0), (2, 0.0)]
    assert run.seed == 13


def test_sentences_are_in_the_order_of_folds() -> None:
    run = pool({3: _fold(3, 0, 0, label="LOC"), 1: _fold(1, 1, 1), 2: _fold(2, 2, 2)})
    counted = run.counted["folds"]
    assert counted.sentences == ["PER(1, 1, 1)", "PER(2, 2, 2)", "LOC(3, 0, 0)"]
    assert [list(counts) for counts in counted.counts] == [["PER"], ["PER"], ["LOC"]]
    assert run.metrics.by_split["folds"].by_type == {"LOC": EntityCounts(3, 0, 0), "PER": EntityCounts(3, 3, 3)}


def test_without_counts_of_every_fold_none_are_kept() -> None:
    assert pool({1: _fold(1, 1, 1), 2: _fold(1, 1, 1, counted=False)}).counted == {}


def test_the_common_best_epoch_and_the_common_part_of_curves_are_kept() -> None:
    pooled = pool({1: _fold(1, 1, 1), 2: _fold(1, 1, 1, dev_f1=(0.3, 0.4, 0.5))})
    assert pooled.best_epoch == 2 and pooled.dev_f1 == pytest.approx([0.2, 0.3])
    assert pool({1: _fold(1, 1, 1), 2: _fold(1, 1, 1, best_epoch=1)}).best_epoch is None


def test_json_has_the_score_of_each_fold() -> None:
    body = pool({1: _fold(1, 1, 1), 2: _fold(1, 1, 0)}).to_json()
    assert body["f1_by_fold"] == {"1": 1.0, "2": 0.0} and body["folds"]["f1"] == 0.5
    assert "f1_by_fold" not in _fold(1, 1, 1).to_json()


def test_metrics_are_pooled_in_the_same_way() -> None:
    folds = [_fold(4, 4, 4), _fold(2, 4, 1)]
    assert pool_metrics([fold.metrics for fold in folds]) == pool(dict(enumerate(folds, start=1))).metrics

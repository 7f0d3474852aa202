"""Tables with missing runs: rows are compared only on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.progress import Progress
from ssmi.ablation.table import FinishedRun
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.results.metrics_file import RunMetrics

FOLDS = (1, 2, 3)


def _run(seed: int, fold: int | None) -> FinishedRun:
    counts = EntityCounts(2, 2, 1)
    scores = Scores(counts, {}, {}, counts, 0, 1)
    return FinishedRun(seed, 1, RunMetrics({"dev": scores}), (0.5,), {"dev": SentenceCounts([f"fold {fold}"], [{}])})


def _progress(done: Sequence[tuple[str, int, int | None]], folds: Sequence[int | None] = FOLDS) -> Progress:
    progress = Progress(["a", "b"], (7, 8), folds)
    for name, seed, fold in done:
        progress.add(name, fold, _run(seed, fold))
    return progress


def _complete(name: str, *seeds: int) -> list[tuple[str, int, int | None]]:
    return [(name, seed, fold) for seed in seeds for fold in FOLDS]


def _sentences(runs: Sequence[FinishedRun]) -> list[Sequence[str]]:
    return [run.counted["folds"].sentences for run in runs]


def test_nothing_is_shown_at_first() -> None:
    progress = _progress([])
    assert not progress and progress.shown() == ({}, [1, 2, 3])


def test_without_folds_every_finished_run_is_shown() -> None:
    progress = _progress([("a", 7, None), ("a", 8, None), ("b", 8, None)], folds=(None,))
    rows, folds = progress.shown()
    assert {name: [run.seed for run in runs] for name, runs in rows.items()} == {"a": [7, 8], "b": [8]}
    assert folds == [] and progress and progress.f1("b", 8) == 0.5


def test_until_a_seed_is_complete_rows_use_their_common_folds() -> None:
    progress = _progress([("a", 7, 1)])
    assert list(progress.shown()[0]) == ["a"] and progress.shown()[1] == [1]
    progress.add("b", 1, _run(7, 1))
    progress.add("a", 2, _run(7, 2))
    rows, folds = progress.shown()
    assert folds == [1]
    assert _sentences(rows["a"]) == _sentences(rows["b"]) == [["fold 1"]]


def test_complete_seeds_are_shown_and_started_ones_are_not() -> None:
    progress = _progress([*_complete("a", 7), *_complete("b", 7), ("a", 8, 1)])
    rows, folds = progress.shown()
    assert {name: [run.seed for run in runs] for name, runs in rows.items()} == {"a": [7], "b": [7]}
    assert folds == [1, 2, 3]
    assert progress.f1("a", 8) == 0.5


def test_a_row_that_starts_later_limits_the_others_to_its_folds() -> None:
    progress = _progress([*_complete("a", 7, 8), ("b", 7, 1), ("b", 7, 2)])
    rows, folds = progress.shown()
    assert folds == [1, 2] and _sentences(rows["a"]) == _sentences(rows["b"]) == [["fold 1", "fold 2"]]
    progress.add("b", 3, _run(7, 3))
    rows, folds = progress.shown()
    assert folds == [1, 2, 3] and [len(runs) for runs in rows.values()] == [2, 1]


def test_a_failed_row_does_not_limit_the_others() -> None:
    progress = _progress([*_complete("a", 7), ("b", 7, 1)])
    progress.give_up("b", 7)
    rows, folds = progress.shown()
    assert list(rows) == ["a"] and folds == [1, 2, 3]


def test_rows_without_a_common_fold_are_not_compared() -> None:
    progress = _progress([("a", 7, 1), ("b", 7, 2)])
    assert progress.shown() == ({}, [1, 2, 3])


@given(
    st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from([7, 8]), st.sampled_from(FOLDS))),
    st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from([7, 8]))),
)
def test_shown_rows_have_the_same_sentences(done: set[tuple[str, int, int]], given_up: set[tuple[str, int]]) -> None:
    progress = _progress(sorted(done))
    for name, seed in given_up:
        progress.give_up(name, seed)
    rows, folds = progress.shown()
    shown = [sentences for runs in rows.values() for sentences in _sentences(runs)]
    assert all(sentences == [f"fold {fold}" for fold in folds] for sentences in shown)
    assert all(runs for runs in rows.values())


def test_f1_of_a_seed_without_runs_is_an_error() -> None:
    with pytest.raises(KeyError):
        _progress([]).f1("a", 7)

"""`make probe` runs, and its output is correct."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.significance import Difference
from tests.bench.probing.linear_tagger import FoldTagger
from tests.bench.probing.probe import BASE_ROW, Probe, Row, main, rows_of, select_rows
from tests.bench.probing.readings import READINGS, Readings, have_same_sentences, read_readings


@pytest.fixture(scope="module")
def project_with_states(
    built_once: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny project, with shards that store the states of the encoder's first layer."""
    project = copy_project(built_once, tmp_path_factory.mktemp("states"))
    outcome = project.ssmi("features", "build", "-S", "shards.hidden=true", "-S", "shards.hidden_layers=1")
    assert outcome.code == 0, outcome.stderr
    root: Path = project.root
    return root


@pytest.fixture(scope="module")
def readings(project_with_states: Path) -> Readings:
    return read_readings(project_with_states, "tiny")


def test_every_reading_has_a_row_for_each_character(readings: Readings) -> None:
    n = sum(map(len, readings.texts))
    shapes = {name: readings.of(name).shape for name in READINGS}
    assert {shape[0] for shape in shapes.values()} == {n}
    width = readings.vectors.shape[1]
    assert {shapes[name][1] for name in ("segment", "best", "set", "local", "gated")} == {width}
    assert shapes["cosine"][1] == 1 and shapes["states"][1] == 32
    with pytest.raises(ValueError, match="boundary: none of states"):
        readings.of("boundary")


def test_the_best_boundary_of_a_vocabulary_word_is_itself(readings: Readings) -> None:
    """The cosine that selection wrote equals that of the two vectors, which are read from other files."""
    best, segment = readings.of("best"), readings.of("segment")
    has_best = np.abs(best).sum(1) > 0
    norms = np.linalg.norm(best, axis=1) * np.linalg.norm(segment, axis=1)
    cosines = (best * segment).sum(1)[has_best] / norms[has_best]
    np.testing.assert_allclose(cosines, readings.of("cosine")[has_best, 0], atol=1e-5)
    is_own_best = readings.cosines > 1 - 1e-6
    assert is_own_best.any() and not is_own_best.all()
    np.testing.assert_allclose(best[is_own_best], segment[is_own_best], atol=1e-5)
    gated = readings.of("gated")
    np.testing.assert_allclose(gated[is_own_best], best[is_own_best], atol=1e-5)
    assert (np.linalg.norm(gated, axis=1) <= np.linalg.norm(best, axis=1) + 1e-5).all()


def test_the_set_is_the_mean_of_its_members(readings: Readings) -> None:
    rows = readings.split.set_rows
    assert rows is not None
    sizes = (rows > 0).sum(1)
    for index in (*np.flatnonzero(sizes > 1)[:5], *np.flatnonzero(sizes == 0)[:2]):
        members = [readings.vectors[row] for row in rows[index] if row > 0]
        expected = np.mean(members, axis=0) if members else np.zeros(readings.vectors.shape[1])
        np.testing.assert_allclose(readings.of("set")[index], expected, atol=1e-6)


def test_a_fold_is_tagged_by_a_classifier_of_the_other_folds(readings: Readings) -> None:
    tags = np.eye(len(readings.labels.tags), dtype=np.float32)[readings.split.tag_ids]
    # Without noise nothing varies within a tag, and the covariance vanishes.
    noise = np.random.default_rng(13).normal(scale=0.05, size=tags.shape).astype(np.float32)
    columns = np.arange(tags.shape[1])
    tagger = FoldTagger(tags + noise, readings)
    assert _f1(tagger.count(columns, shrinkage=0.01).counts) > 0.9
    # Tags in the features of one fold alone do not help it: the classifier for that fold is fitted to pure noise.
    informative_in_one_fold = np.where(tagger.fold_of_each[:, None] == 1, tags, 0) + noise
    counts = FoldTagger(informative_in_one_fold, readings).count(columns, shrinkage=0.01).counts
    assert _f1([one for one, fold in zip(counts, tagger.folds.tolist(), strict=True) if fold == 1]) < 0.1


def _f1(of_sentences: Sequence[Mapping[str, EntityCounts]]) -> float:
    counts_by_type = [one for counts in of_sentences for one in counts.values()]
    return 2 * sum(one.correct for one in counts_by_type) / sum(one.gold + one.predicted for one in counts_by_type)


def test_rows_follow_the_rows_they_are_compared_with() -> None:
    rows = rows_of(["sentence"])
    earlier: set[str | None] = {None}
    for row in rows:
        assert row.compared_to in earlier and row.name not in earlier
        assert {feature.partition("@")[0] for feature in row.features} <= set(READINGS)
        earlier.add(row.name)
    assert "paper, sentence" in earlier


def test_selected_rows_include_the_rows_they_are_compared_with() -> None:
    rows = rows_of(["sentence"])
    assert [row.name for row in select_rows(rows, ["paper, sentence"])] == ["base", "paper", "paper, sentence"]
    assert [row.name for row in select_rows(rows, ["states + set", "states"])][:2] == ["base", "states"]
    assert select_rows(rows, [""]) == rows and select_rows(rows, ["no such row"]) == [BASE_ROW]


def test_a_row_compared_with_its_own_features_gains_nothing(readings: Readings) -> None:
    rows = [BASE_ROW, Row("base of the other", tuple(f"{name}@other" for name in BASE_ROW.features), "base")]
    found: dict[str, Difference] = {
        row.name: gain for row, gain in Probe({"": readings, "other": readings}, rows).run(shrinkage=0.03)
    }
    repeated = found["base of the other"]
    assert (repeated.gain, repeated.low, repeated.high) == (0, 0, 0)
    assert repeated.f1 == found["base"].f1 > 0


def test_every_row_is_printed(
    project_with_states: Path, built_once: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other project stores no states: those of the first are used, and nothing else differs."""
    command = [
        "probe",
        "--project",
        str(project_with_states),
        "--dataset",
        "tiny",
        "--changed",
        f"same={built_once.root}",
    ]
    monkeypatch.setattr(sys, "argv", command)
    main()
    output = capsys.readouterr().out
    names = re.findall(r"^(.+?) {2,}\d+ +\d+\.\d\d", output, re.M)
    assert names == [row.name for row in rows_of(["same"])]
    assert re.search(r"^paper, same .* \+0\.00 \[\+0\.00, \+0\.00\] over paper$", output, re.M)


def test_different_sentences_are_detected(readings: Readings) -> None:
    other = Readings(
        readings.split, readings.texts[::-1], readings.labels, readings.vectors, readings.segments, readings.cosines
    )
    assert have_same_sentences(readings, readings) and not have_same_sentences(readings, other)

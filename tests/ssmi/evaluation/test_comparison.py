"""Choice of the runs and sentences to compare, with made-up run folders instead of training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssmi.evaluation.comparison import compare_runs, runs_in
from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs import json_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.fingerprint import Fingerprint
from ssmi.model.runs.results import counts_file, result_files
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError

Sentences = Sequence[Mapping[str, tuple[int, int, int]]]
BETTER: Sentences = [{"LOC": (2, 2, 2)}, {"PER": (1, 1, 0)}, {}]
WORSE: Sentences = [{"LOC": (2, 1, 1)}, {"PER": (1, 1, 0)}, {"ORG": (0, 1, 0)}]


@pytest.fixture
def manifest(built_once: Any) -> Path:
    path: Path = built_once.root / "artifacts" / "shards" / "tiny" / "manifest.json"
    return path


def _write_run(
    folder: Path, manifest: Path | None = None, *, counts: Mapping[str, Sentences] | None = None, **parameters: object
) -> Path:
    """Write the files of a finished run that a comparison reads."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    metadata = CheckpointMetadata(
        shards="s",
        vocabulary_digest="v",
        encoder_digest="e",
        n_parameters=1,
        best_epoch=1,
        fingerprint=Fingerprint({name.replace("__", "."): value for name, value in parameters.items()}, "s", "e", 1),
    )
    json_files.write(checkpoint / "checkpoint.json", metadata)
    if manifest is not None:
        (checkpoint / "shards").mkdir()
        shutil.copy(manifest, checkpoint / "shards")
    for split, sentences in (counts or {}).items():
        path = counts_file.path_of(folder, split)
        path.parent.mkdir(exist_ok=True)
        counts_by_sentence = [
            {label: EntityCounts(*values) for label, values in sentence.items()} for sentence in sentences
        ]
        counts_file.write(path, SentenceCounts([f"{number}" for number in range(len(sentences))], counts_by_sentence))
    result_files.write(folder, metrics=b"{}")
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    return folder


# --- runs of a folder -------------------------------------------------------------------------------------------------


def test_a_folder_holds_one_run_per_seed(tmp_path: Path) -> None:
    nine, ten = (_write_run(tmp_path / "a" / name, train__seed=seed) for name, seed in (("x", 9), ("b", 10)))
    assert runs_in(nine) == {9: nine}
    assert list(runs_in(tmp_path / "a").items()) == [(9, nine), (10, ten)]  # by seed, not by name
    without = _write_run(tmp_path / "without", model__can=True)
    assert runs_in(without) == {0: without}


def test_the_folder_of_a_configuration_contains_its_only_settings(tmp_path: Path) -> None:
    run = _write_run(tmp_path / "ssmi" / "0a1b" / "13", train__seed=13)
    (tmp_path / "ssmi" / "empty").mkdir()
    (tmp_path / "ssmi" / "notes.txt").write_text("", encoding="utf-8")
    assert runs_in(tmp_path / "ssmi") == {13: run}
    _write_run(tmp_path / "ssmi" / "2c3d" / "13", train__seed=13)
    with pytest.raises(ParameterError) as raised:
        runs_in(tmp_path / "ssmi")
    assert raised.value.message == f"{tmp_path / 'ssmi'}: runs of 2 settings: 0a1b, 2c3d"
    assert "params.json" in raised.value.next_step


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ({"train__seed": 13, "model__can": True}, "nothing"),
        ({"train__seed": 14, "model__can": False}, "model.can, train.seed"),
        ({"train__seed": 13}, "model.can"),
    ],
)
def test_runs_of_different_systems_are_refused(tmp_path: Path, other: dict[str, object], differing: str) -> None:
    _write_run(tmp_path / "one", train__seed=13, model__can=True)
    _write_run(tmp_path / "two", **other)
    with pytest.raises(ParameterError) as raised:
        runs_in(tmp_path)
    assert raised.value.message == (
        f"{tmp_path}: one and two are not one system with two seeds (differing: {differing})"
    )


def test_missing_runs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(MissingResourceError, match=r"empty: no run in it"):
        runs_in(tmp_path / "empty")
    with pytest.raises(MissingResourceError, match=r"nowhere: no such folder"):
        runs_in(tmp_path / "nowhere")
    (tmp_path / "half" / "checkpoint").mkdir(parents=True)
    with pytest.raises(MissingResourceError, match=r"half/checkpoint: no checkpoint"):
        runs_in(tmp_path / "half")


# --- comparing --------------------------------------------------------------------------------------------------------


def _f1(sentences: Sentences, labels: Sequence[str]) -> float:
    counts = [sentence[label] for sentence in sentences for label in labels if label in sentence]
    size = sum(gold + predicted for gold, predicted, _ in counts)
    return 2 * sum(correct for _, _, correct in counts) / size if size else 0.0


def test_figures_are_computed_from_the_counts_of_the_runs(tmp_path: Path, manifest: Path) -> None:
    for seed, counts in ((1, BETTER), (2, WORSE)):
        _write_run(tmp_path / "two" / str(seed), manifest, counts={"dev": counts}, train__seed=seed)
    base = _write_run(tmp_path / "base", manifest, counts={"dev": WORSE}, train__seed=7, model__can=False)
    comparison = compare_runs(tmp_path / "two", base, n_resamples=200)
    assert (comparison.split, comparison.n_sentences, comparison.n_resamples, comparison.level) == ("dev", 3, 200, 0.95)
    assert (comparison.seeds, comparison.base_seeds) == ((1, 2), (7,))
    assert list(comparison.by_type) == ["LOC", "ORG", "PER"]
    for labels, scores in (
        (["LOC", "ORG", "PER"], comparison.overall),
        *(([name], scores) for name, scores in comparison.by_type.items()),
    ):
        f1 = (_f1(BETTER, labels) + _f1(WORSE, labels)) / 2
        assert (scores.f1, scores.base_f1) == (pytest.approx(f1), pytest.approx(_f1(WORSE, labels)))
        assert scores.gain == pytest.approx(scores.f1 - scores.base_f1)
    body = comparison.to_json()
    assert (body["seeds"], body["base_seeds"], body["n_sentences"]) == ([1, 2], [7], 3)
    assert body["overall"]["f1"] == comparison.overall.f1 and list(body["by_type"]) == ["LOC", "ORG", "PER"]


def test_runs_on_different_sentences_are_refused(tmp_path: Path, manifest: Path) -> None:
    run = _write_run(tmp_path / "s" / "1", manifest, counts={"dev": BETTER}, train__seed=1)
    fewer = _write_run(tmp_path / "fewer", manifest, counts={"dev": BETTER[:2]}, train__seed=1)
    with pytest.raises(StaleArtifactError) as raised:
        compare_runs(run, fewer)
    assert raised.value.message == (
        f"{run} and {fewer} were scored on different sentences of dev: number 3 is not the same in text and gold"
        " entities (3 and 2 sentences)"
    )
    _write_run(tmp_path / "s" / "2", manifest, counts={"dev": BETTER[:2]}, train__seed=2)
    with pytest.raises(StaleArtifactError, match=r"one run of .* and another were scored on different sentences"):
        compare_runs(tmp_path / "s", run)


def test_a_run_without_counts_needs_its_project(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = _write_run(tmp_path / "one", manifest, counts={"dev": BETTER}, train__seed=1)
    with pytest.raises(MissingResourceError, match="one: no project above it"):
        compare_runs(run, run, split="test")
    project = tmp_path / "project"
    project.mkdir()
    with pytest.raises(MissingResourceError, match=r"project/artifacts/shards/tiny: not built"):
        compare_runs(run, run, split="test", project=project)


@pytest.mark.parametrize("number", [99, 1, 0, -1])
def test_python_and_the_command_line_refuse_too_few_resamples_in_the_same_words(
    built_once: Any, tmp_path: Path, number: int
) -> None:
    better, worse = (_write_run(tmp_path / name, counts={"dev": BETTER}) for name in ("better", "worse"))
    with pytest.raises(ParameterError) as refused:
        compare_runs(better, worse, n_resamples=number)
    outcome = built_once.ssmi("compare", str(better), str(worse), "--resamples", str(number))
    assert outcome.code == 2
    assert refused.value.message == f"n_resamples: {number} is not in the range x>=100"
    assert f"--resamples: {number} is not in the range x>=100" in outcome.stderr

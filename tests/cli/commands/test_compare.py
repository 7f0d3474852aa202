"""``ssmi-cli compare`` and its Python equivalent on runs of the tiny project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.runs.files import RESULT_FILES
from ssmi.pipeline.contract.storage.digests import digest_file

Copy = Callable[[Any, Path], Any]
TRAINED = Path("artifacts") / "train" / "tiny"
BASELINE = Path("artifacts") / "plain"


@pytest.fixture(scope="module")
def compared(tagging_project: Any, copy_project: Copy, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run that learned something, and two seeds of a run that learned almost nothing."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("compared"))
    for seed in (13, 14):
        options = ("-S", f"train.seed={seed}", "-S", "train.max_steps=2", "-S", "train.test=false")
        outcome = project.ssmi(
            "train", "--config", "bert-crf", "--run", str(project.root / BASELINE / str(seed)), *options
        )
        assert outcome.code == 0, outcome.stderr
    return project


def _compare(project: Any, run: Path, base: Path, *options: str) -> Any:
    return project.ssmi("compare", str(project.root / run), str(project.root / base), "--device", "cpu", *options)


def _f1(project: Any, run: Path, split: str) -> float:
    outcome = project.ssmi("evaluate", "--run", str(project.root / run), "--split", split, "--json")
    return float(json.loads(outcome.stdout)[split]["f1"])


def test_the_gain_is_the_difference_of_the_scores(compared: Any) -> None:
    outcome = _compare(compared, TRAINED, BASELINE, "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    printed = json.loads(outcome.stdout)
    assert (printed["split"], printed["n_sentences"], printed["seeds"], printed["base_seeds"]) == (
        "dev",
        12,
        [13],
        [13, 14],
    )
    overall = printed["overall"]
    assert overall["f1"] == pytest.approx(_f1(compared, TRAINED, "dev"))
    base_f1 = [_f1(compared, BASELINE / str(seed), "dev") for seed in (13, 14)]
    assert overall["base_f1"] == pytest.approx(sum(base_f1) / 2)
    assert overall["low"] <= overall["gain"] <= overall["high"]
    assert overall["significant"] and overall["opposite_sign_share"] < 0.05
    comparison = ssmi.compare_runs(compared.root / TRAINED, compared.root / BASELINE, device="cpu")
    assert comparison.to_json() == printed


def test_a_table_and_a_conclusion_are_printed(compared: Any) -> None:
    output = _compare(compared, TRAINED, BASELINE).stdout
    first, *_, last = output.strip().splitlines()
    assert first == "dev: 12 sentences; RUN seed 13, BASE seeds 13, 14; 2,000 resamples of sentences and seeds"
    assert last == "The interval excludes 0: RUN is better on these sentences."
    assert " all " in output and "95 % interval" in output and " NAME " in output
    assert "RUN is worse" in _compare(compared, BASELINE, TRAINED).stdout


def test_a_run_does_not_differ_from_itself(compared: Any) -> None:
    for run in (TRAINED, BASELINE):
        output = _compare(compared, run, run).stdout
        assert "+0.00   [+0.00, +0.00]" in output and "The interval contains 0: the difference may be chance." in output
    assert "One seed each" in _compare(compared, TRAINED, TRAINED).stdout


def test_a_split_without_counts_is_tagged(compared: Any) -> None:
    outcome = _compare(compared, BASELINE / "13", TRAINED, "--split", "test", "--json")
    assert outcome.code == 0
    assert "plain/13: no counts of test kept, so it is tagged now" in outcome.stderr
    assert f"{TRAINED}: no counts" not in outcome.stderr
    overall = json.loads(outcome.stdout)["overall"]
    assert overall["f1"] == pytest.approx(_f1(compared, BASELINE / "13", "test"))
    assert overall["base_f1"] == pytest.approx(_f1(compared, TRAINED, "test"))


def test_incomparable_runs_are_refused(compared: Any, tmp_path: Path) -> None:
    def assert_refused(code: int, *messages: str) -> None:
        outcome = _compare(compared, mixed, TRAINED)
        assert outcome.code == code, outcome.stdout
        assert all(message in outcome.stderr for message in messages), outcome.stderr
        assert "Traceback" not in outcome.stderr

    mixed = tmp_path / "mixed"
    assert_refused(4, "no such folder")
    mixed.mkdir()
    assert_refused(4, "no run in it")
    for name, run in (("one", TRAINED), ("two", BASELINE / "14")):
        shutil.copytree(compared.root / run, mixed / name)
    assert_refused(2, "one and two are not one system with two seeds", "model.gmi")
    shutil.rmtree(mixed / "one")
    other = mixed / "two" / "counts" / "dev.parquet"
    shutil.copy(compared.root / TRAINED / "counts" / "test.parquet", other)
    assert_refused(5, "dev.parquet: changed since it was written")
    files_json = mixed / "two" / RESULT_FILES
    digests = {**json.loads(files_json.read_text(encoding="utf-8")), "counts/dev.parquet": digest_file(other)}
    files_json.write_text(json.dumps(digests), encoding="utf-8")
    assert_refused(5, "different sentences of dev: number 1 is not the same")

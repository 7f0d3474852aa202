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
GOOD = Path("artifacts") / "train" / "tiny"
PLAIN = Path("artifacts") / "plain"


@pytest.fixture(scope="module")
def compared(tagging_project: Any, copy_project: Copy, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run that learned something, and two seeds of a run that learned almost nothing."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("compared"))
    for seed in (13, 14):
        short = ("-S", f"train.seed={seed}", "-S", "train.max_steps=2", "-S", "train.test=false")
        outcome = project.ssmi("train", "--config", "bert-crf", "--run", str(project.root / PLAIN / str(seed)), *short)
        assert outcome.code == 0, outcome.stderr
    return project


def _compare(project: Any, run: Path, base: Path, *options: str) -> Any:
    return project.ssmi("compare", str(project.root / run), str(project.root / base), "--device", "cpu", *options)


def _f1(project: Any, run: Path, split: str) -> float:
    outcome = project.ssmi("evaluate", "--run", str(project.root / run), "--split", split, "--json")
    return float(json.loads(outcome.stdout)[split]["f1"])


def test_the_difference_is_that_of_the_scores(compared: Any) -> None:
    outcome = _compare(compared, GOOD, PLAIN, "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    printed = json.loads(outcome.stdout)
    assert (printed["split"], printed["n_sentences"], printed["seeds"], printed["base_seeds"]) == (
        "dev",
        12,
        [13],
        [13, 14],
    )
    overall = printed["overall"]
    assert overall["f1"] == pytest.approx(_f1(compared, GOOD, "dev"))
    plain = [_f1(compared, PLAIN / str(seed), "dev") for seed in (13, 14)]
    assert overall["base_f1"] == pytest.approx(sum(plain) / 2)
    assert overall["low"] <= overall["gain"] <= overall["high"]
    assert overall["significant"] and overall["opposite_sign_share"] < 0.05
    again = ssmi.compare_runs(compared.root / GOOD, compared.root / PLAIN, device="cpu")
    assert again.to_json() == printed


def test_a_person_reads_a_table_and_a_sentence(compared: Any) -> None:
    said = _compare(compared, GOOD, PLAIN).stdout
    first, *_, last = said.strip().splitlines()
    assert first == "dev: 12 sentences; RUN seed 13, BASE seeds 13, 14; 2,000 resamples of sentences and seeds"
    assert last == "The interval excludes 0: RUN is better on these sentences."
    assert " all " in said and "95 % interval" in said and " NAME " in said
    assert "RUN is worse" in _compare(compared, PLAIN, GOOD).stdout


def test_a_run_beside_itself_is_not_told_apart(compared: Any) -> None:
    for run in (GOOD, PLAIN):
        said = _compare(compared, run, run).stdout
        assert "+0.00   [+0.00, +0.00]" in said and "The interval contains 0: the difference may be chance." in said
    assert "One seed each" in _compare(compared, GOOD, GOOD).stdout


def test_a_split_that_was_not_scored_is_tagged_now(compared: Any) -> None:
    outcome = _compare(compared, PLAIN / "13", GOOD, "--split", "test", "--json")
    assert outcome.code == 0
    assert "plain/13: no counts of test kept, so it is tagged now" in outcome.stderr
    assert f"{GOOD}: no counts" not in outcome.stderr
    overall = json.loads(outcome.stdout)["overall"]
    assert overall["f1"] == pytest.approx(_f1(compared, PLAIN / "13", "test"))
    assert overall["base_f1"] == pytest.approx(_f1(compared, GOOD, "test"))


def test_what_cannot_be_compared_is_refused(compared: Any, tmp_path: Path) -> None:
    def refused(code: int, *said: str) -> None:
        outcome = _compare(compared, mixed, GOOD)
        assert outcome.code == code, outcome.stdout
        assert all(each in outcome.stderr for each in said), outcome.stderr
        assert "Traceback" not in outcome.stderr

    mixed = tmp_path / "mixed"
    refused(4, "no such folder")
    mixed.mkdir()
    refused(4, "no run in it")
    for name, run in (("one", GOOD), ("two", PLAIN / "14")):
        shutil.copytree(compared.root / run, mixed / name)
    refused(2, "one and two are not one system with two seeds", "model.gmi")
    shutil.rmtree(mixed / "one")
    other = mixed / "two" / "counts" / "dev.parquet"
    shutil.copy(compared.root / GOOD / "counts" / "test.parquet", other)
    refused(5, "dev.parquet: changed since it was written")
    listed = mixed / "two" / RESULT_FILES
    digests = {**json.loads(listed.read_text(encoding="utf-8")), "counts/dev.parquet": digest_file(other)}
    listed.write_text(json.dumps(digests), encoding="utf-8")
    refused(5, "different sentences of dev: number 1 is not the same")

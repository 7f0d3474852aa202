"""Jobs: a run is trained, its weights are kept or removed, and measuring its speed leaves no files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssmi.ablation.jobs.job import Job, measure, read_run_metadata, remove_leftovers, run_job
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.files import KEPT_METADATA
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Silent


@pytest.fixture
def make_job(project: Any) -> Callable[..., Job]:
    def make(*, keep: bool, **train: Any) -> Job:
        tree = {
            "encoder": {"name": "encoder"},
            "model": {"encoder": "none"},
            "train": {"device": "cpu", "precision": "fp32", "threads": 1, **train},
        }
        shards = project.root / "artifacts" / "shards" / "tiny"
        return Job(project.root, shards, None, project.root / "run", Params.model_validate(tree), keep_checkpoint=keep)

    return make


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).parts[0] for path in folder.rglob("*")}


def test_without_weights_the_files_of_a_table_are_kept(make_job: Callable[..., Job]) -> None:
    job = make_job(keep=True, epochs=2)
    run_job(job, Silent())
    metadata, all_files = checkpoint_files.read_metadata(job.run / "checkpoint"), _files(job.run)
    assert read_run_metadata(job.run) == metadata
    run_job(replace(job, keep_checkpoint=False), Silent())
    assert _files(job.run) == (all_files - {"checkpoint", "pinned"}) | {KEPT_METADATA}
    assert {"metrics.json", "history.csv", "counts"} < _files(job.run)
    assert read_run_metadata(job.run) == metadata
    assert sum(path.stat().st_size for path in job.run.rglob("*")) < 100_000


def test_a_refused_run_leaves_no_folder(make_job: Callable[..., Job]) -> None:
    job = replace(make_job(keep=False), shards_digest="0" * 64)
    with pytest.raises(StaleArtifactError):
        run_job(job, Silent())
    assert not job.run.exists()
    job.run.mkdir()
    (job.run / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StaleArtifactError):
        run_job(job, Silent())
    assert (job.run / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_an_interrupted_removal_of_weights_is_completed(make_job: Callable[..., Job]) -> None:
    job = make_job(keep=True, epochs=1)
    run_job(job, Silent())
    (job.run / "state").mkdir()
    remove_leftovers(job.run)  # the weights must be kept
    assert {"checkpoint", "pinned"} < _files(job.run) and not (job.run / "state").exists()
    backup = shutil.copytree(job.run, job.run.with_name("whole"))
    run_job(replace(job, keep_checkpoint=False), Silent())
    expected = _files(job.run)
    for names in (("checkpoint", "pinned"), ("checkpoint",), ("pinned",), ()):
        for name in names:
            shutil.copytree(backup / name, job.run / name)
        (job.run / "drop-weights").touch()
        remove_leftovers(job.run)
        assert _files(job.run) == expected, names


def test_a_run_with_invalid_metadata_is_refused(make_job: Callable[..., Job]) -> None:
    job = make_job(keep=False, epochs=1)
    with pytest.raises(MissingResourceError):
        read_run_metadata(job.run)
    run_job(job, Silent())
    body = json.loads((job.run / KEPT_METADATA).read_text(encoding="utf-8"))
    del body["best_epoch"]
    (job.run / KEPT_METADATA).write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(MissingResourceError, match="no checkpoint"):
        read_run_metadata(job.run)


def test_a_checkpoint_takes_precedence_over_older_metadata(make_job: Callable[..., Job]) -> None:
    run_job(make_job(keep=False, epochs=1), Silent())
    run_job(make_job(keep=True, epochs=2), Silent())
    assert (make_job(keep=True).run / KEPT_METADATA).is_file()
    assert read_run_metadata(make_job(keep=True).run).fingerprint.parameters["train.epochs"] == 2


@pytest.mark.parametrize("batch_size", [4, 1000])
def test_measuring_speed_leaves_no_files(make_job: Callable[..., Job], batch_size: int) -> None:
    job = make_job(keep=True, epochs=50, batch_size=batch_size)
    speed = measure(job)
    assert not job.run.exists()
    assert speed.characters_per_second > 0 and speed.start_seconds > 0
    n_train = sum(len(line) > 1 for line in (job.root / "data" / "tiny" / "train.bmes").read_text("utf-8").split("\n"))
    assert 0.9 * n_train < speed.characters <= n_train  # blanks at the ends of sentences are left out
    assert 0 < speed.characters_per_step <= speed.characters


def test_measuring_does_not_change_a_finished_run(make_job: Callable[..., Job]) -> None:
    job = make_job(keep=True, epochs=1)
    run_job(job, Silent())
    before = {path: path.stat().st_mtime_ns for path in job.run.rglob("*")}
    measure(replace(job, run=job.root / ".ssmi" / "scratch" / "speed"))
    assert {path: path.stat().st_mtime_ns for path in job.run.rglob("*")} == before

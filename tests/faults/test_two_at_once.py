"""Two commands in one project: one waits and reports for what, or is refused in one line; outputs never mix."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock


def _wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read stderr until it contains a text; return everything read."""
    stderr = ""
    while text not in stderr:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line, f"ended without {text!r}: {stderr}"
        stderr += line
    return stderr


@pytest.fixture
def building(project: Any) -> Iterator[FileLock]:
    """Simulate another running build of the project; yields its lock."""
    locks = project.root / ".ssmi" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / "features.lock")
    with lock:
        (locks / "features.holder").write_text("process 7: ssmi-cli features build", encoding="utf-8")
        yield lock


@pytest.mark.parametrize("command", [("features", "build"), ("features", "segment"), ("ablate", "--dry-run")])
def test_a_build_reports_which_other_build_it_waits_for(
    project: Any, building: FileLock, command: tuple[str, ...]
) -> None:
    before = project.artifacts()
    with project.start(*command) as process:
        stderr = _wait_for(process, "waiting: ")
        assert stderr.endswith("the features of this project are being built by process 7: ssmi-cli features build\n")
        assert process.poll() is None
        if command == ("ablate", "--dry-run"):
            process.send_signal(signal.SIGINT)  # the wait can be ended
            process.communicate(timeout=1200)
            assert process.returncode == 130
        else:
            building.release()
            process.communicate(timeout=1200)
            assert process.returncode == 0
    assert project.artifacts() == before


def test_two_concurrent_builds_with_other_parameters_are_not_mixed(project: Any) -> None:
    """The artifacts are those that the second build would have made alone."""
    options = ("-S", "segment.hmm=false", "-S", "pmi.estimator=paper")
    with project.start("features", "build", "--force") as first:
        _wait_for(first, "vocab: ")
        with project.start("features", "build", *options) as second:
            assert second.communicate(timeout=1200) and second.returncode == 0
        assert first.communicate(timeout=1200) and first.returncode == 0
    after_both = project.artifacts()
    assert project.build("--force", *options).code == 0
    assert project.artifacts() == after_both


def test_a_second_training_in_the_same_folder_is_refused(project: Any) -> None:
    run = project.root / "artifacts" / "train" / "tiny"
    epochs = ("-S", "train.epochs=6")
    with project.start("train", *epochs) as first:
        _wait_for(first, "epoch 1: ")
        refused = project.ssmi("train", "-S", "train.seed=5")
        assert refused.code == 1, refused.stderr
        message, advice = refused.stderr.splitlines()[-2:]
        assert re.fullmatch(rf"error: {run} is being trained by process {first.pid}: .*train .*epochs=6", message)
        assert advice == "  next: wait until it is done, or name another folder with --run (in Python: run=FOLDER)"
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=1200)
        assert first.returncode == 130
    assert project.ssmi("train", *epochs, "--resume").code == 0
    resumed = project.artifacts("train", "tiny")
    assert project.ssmi("train", *epochs, "--run", str(Path(run.parent, "alone"))).code == 0
    assert project.artifacts("train", "alone") == resumed

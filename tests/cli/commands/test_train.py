"""``ssmi-cli train``: stopping and resuming."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

EPOCHS = ("-S", "train.epochs=5")


def _wait_for(path: Path, *, seconds: float = 1200) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} was not written in time"
        time.sleep(0.02)


def test_a_stopped_run_can_be_resumed(project: Any) -> None:
    run = project.root / "artifacts" / "train" / "tiny"
    with project.start("train", *EPOCHS) as process:
        _wait_for(run / "state" / "state.json")
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 130
    *_, stopped, advice = stderr.splitlines()
    assert stopped.startswith("interrupted: stopped in epoch ") and str(run) in stopped
    assert advice == "  next: ssmi-cli train -S train.epochs=5 --resume"
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint", "history.csv", "pinned", "state"]

    scored = project.ssmi("evaluate", "--split", "dev", "--json")
    assert scored.code == 0 and json.loads(scored.stdout)["dev"]["n_sentences"] == 12

    outcome = project.ssmi("train", "--resume", "-S", "train.epochs=6")
    assert outcome.code == 5
    *_, message, advice = outcome.stderr.splitlines()
    assert message.startswith("error: ") and "train.epochs is 5 in the unfinished run, 6 now" in message
    assert advice.startswith("  next: ") and "without resuming" in advice

    resumed = project.ssmi("train", *EPOCHS, "--resume")
    assert resumed.code == 0 and "resuming in epoch " in resumed.stderr
    names = sorted(path.name for path in run.iterdir())
    assert names == ["checkpoint", "counts", "files.json", "headline.json", "history.csv", "metrics.json", "pinned"]
    assert len((run / "history.csv").read_text(encoding="utf-8").splitlines()) == 1 + 5

    finished = project.ssmi("train", *EPOCHS, "--resume")
    assert finished.code == 2 and "already finished" in finished.stderr


def test_resuming_without_an_unfinished_run_is_refused(project: Any) -> None:
    outcome = project.ssmi("train", "--resume")
    assert outcome.code == 4
    assert "no unfinished run" in outcome.stderr and "Traceback" not in outcome.stderr


def test_a_folder_that_is_not_a_run_is_refused(project: Any) -> None:
    """The folder may contain file names of a run, such as the output of another trainer."""
    folder = project.root / "mine"
    for name in ("checkpoint/mine.txt", "metrics.json", "history.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious", encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    outcome = project.ssmi("train", "--run", str(folder))
    assert outcome.code == 2 and "is not a run folder" in outcome.stderr and "--run" in outcome.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    empty = project.root / "empty"
    empty.mkdir()
    (empty / ".left.ssmi.tmp").touch()
    assert project.ssmi("train", "--run", str(empty), "-S", "train.epochs=1").code == 0


def test_raw_files_that_changed_after_the_build_are_reported(project: Any) -> None:
    command = ("train", "-S", "train.epochs=1", "-S", "train.max_steps=1")
    note = "to build them again: ssmi-cli features build --dataset tiny"
    assert note not in project.ssmi(*command).stderr
    with project.raw("train").open("a", encoding="utf-8") as raw:
        raw.write("好 O\n\n")
    (project.root / "data" / "tiny" / "dataset.yaml").write_text("encoding: utf-8\n", encoding="utf-8")
    changed = project.ssmi(*command)
    assert changed.code == 0 and note in changed.stderr
    assert "tiny: the features were built before this: dataset.yaml added, train.bmes changed;" in changed.stderr
    assert project.build().code == 0
    assert note not in project.ssmi(*command).stderr
    # Training needs only the shards, so missing or invalid raw files do not stop it.
    (project.root / "data" / "tiny" / "dataset.yaml").write_text("wrong: [", encoding="utf-8")
    unreadable = project.ssmi(*command)
    assert unreadable.code == 0 and note not in unreadable.stderr
    (project.root / "data" / "tiny" / "dataset.yaml").unlink()
    if Path("/proc/self/mem").exists():  # a file that cannot be read, even by root
        project.raw("train").unlink()
        project.raw("train").symlink_to("/proc/self/mem")
        unreadable = project.ssmi(*command)
        assert unreadable.code == 0 and note not in unreadable.stderr


def test_slow_bfloat16_is_reported_once(project: Any) -> None:
    from ssmi.model.hardware import has_bf16_products

    options = ("-S", "train.epochs=1", "-S", "train.max_steps=1")
    outcome = project.ssmi("train", "-S", "train.precision=bf16", *options)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.count("no instructions for bfloat16 products") == (has_bf16_products() is False)

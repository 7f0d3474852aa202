"""Killed (SIGKILL) at any file operation, a command that is run again ends in the same bytes and leaves nothing.

``pytest -m heavy tests/faults`` kills every command 50 times.
"""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DYING = Path(__file__).with_name("dying.py")
EPOCHS = ("-S", "train.epochs=2", "-S", "train.batch_size=32")
COMMANDS: dict[str, tuple[str, ...]] = {
    **{stage: ("features", stage) for stage in ("vocab", "prepare", "segment", "embed", "selection", "pmi", "shards")},
    "build": ("features", "build", "--force"),
    "train": ("train", *EPOCHS),
    "ablate": ("ablate", "--only", "no-bert", "--seeds", "1", *EPOCHS),
    "predict": ("predict", "text.txt", "--out", "out.jsonl"),
    "export": ("export", "--out", "pack"),
    "report": ("report", "--split", "dev", "--out", "page.html"),
    "convert": ("data", "convert", "data/tiny/train.bmes", "converted.jsonl", "--format", "jsonl"),
    "dvc write": ("dvc", "write"),
}
TRAINED = frozenset({"predict", "export", "report"})
"""These need a run that has learned something."""


@dataclass(frozen=True)
class Kills:
    """What came of killing a command."""

    n: int
    left: int
    """After how many of them something half written lay there, which the next run removed."""


def contents(root: Path) -> dict[str, str]:
    """Every file and folder below a folder → digest of a file's bytes; without what belongs to this machine."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
        if path.relative_to(root).parts[0] != ".ssmi"
    }


def rests(root: Path) -> list[str]:
    """Names that only what is half written has, anywhere below a folder."""
    return sorted(str(path.relative_to(root)) for path in root.rglob(".*") if ".ssmi." in path.name)


def _start(project: Any, command: Sequence[str], *, nth: int) -> int:
    """Run it, killed at its nth operation in the project; returns how many there were, -1 where it was killed."""
    count = project.root.parent / "count"
    done = subprocess.run(
        [sys.executable, str(DYING), str(nth), str(project.root), str(count), *command],
        cwd=project.root,
        env={**project.environment, "PYTHONPATH": str(DYING.parents[2])},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode == -signal.SIGKILL:
        return -1
    assert done.returncode == 0, done.stderr
    return int(count.read_text(encoding="utf-8"))


def _copy(project: Any, copy_project: Any, parent: Path) -> Any:
    parent.mkdir()
    copied = copy_project(project, parent)
    (copied.root / "text.txt").write_text("王小明在北京大学任教授。\n" * 3, encoding="utf-8")
    return copied


def _kill(project: Any, copy_project: Any, folder: Path, name: str, n: int) -> Kills:
    """Kill a command ``n`` times, each in a project of its own and at another place, and run it again."""
    command = COMMANDS[name]
    whole = _copy(project, copy_project, folder / "whole")
    total = _start(whole, command, nth=0)
    wanted = contents(whole.root)
    left = 0
    for nth in sorted(random.Random(name).sample(range(1, total + 1), min(n, total))):
        killed = _copy(project, copy_project, folder / str(nth))
        assert _start(killed, command, nth=nth) == -1
        left += bool(rests(killed.root))
        again = killed.process(*command)
        # A pack that was whole already is not written over.
        there = name == "export" and again.code == 2 and "is there already" in again.stderr
        assert again.code == 0 or there, (nth, again.stderr)
        assert (nth, contents(killed.root)) == (nth, wanted)
        assert rests(killed.root) == []
    return Kills(min(n, total), left)


@pytest.mark.parametrize(("name", "n"), [("prepare", 2), ("build", 1), ("convert", 1)])
def test_the_next_run_ends_in_the_same_bytes(
    built_once: Any, copy_project: Any, tmp_path: Path, name: str, n: int
) -> None:
    assert _kill(built_once, copy_project, tmp_path, name, n).n == n


@pytest.mark.heavy
@pytest.mark.parametrize("name", COMMANDS)
def test_fifty_kills(
    built_once: Any,
    tagging_project: Any,
    copy_project: Any,
    tmp_path: Path,
    name: str,
    record_property: Any,
) -> None:
    project = tagging_project if name in TRAINED else built_once
    kills = _kill(project, copy_project, tmp_path, name, 50)
    record_property("kills", f"{kills.n}, something half written after {kills.left}")
    assert kills.n >= 4

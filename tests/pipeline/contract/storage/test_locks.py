"""One process at a time: a waiting process reports the holder, and a lock ends with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.locks import locked
from tests.reporters import RecordingReporter

REPOSITORY = Path(__file__).parents[4]
HOLDING = """
import sys
from pathlib import Path
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.locks import locked

with locked(Path(sys.argv[1]), what="held", reporter=Silent()):
    print("ready", flush=True)
    sys.stdin.readline()
"""
WHAT = "the tea is being made"


@contextmanager
def _held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path), "--flag", "two words"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def _order_of_events(path: Path, process: subprocess.Popen[str], reporter: RecordingReporter, *, end: str) -> list[str]:
    """Wait for the lock in a thread, end the other process once the wait is reported, and return what happened when."""
    order: list[str] = []

    def wait() -> None:
        with locked(path, what=WHAT, reporter=reporter):
            order.append("mine")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        while not reporter.notes:
            assert not waiting.done()
        order.append("told")
        if end == "killed":
            process.kill()
        else:
            process.communicate("end\n", timeout=600)
        waiting.result(600)
    return order


@pytest.mark.parametrize("end", ["done", "killed"])
def test_waiting_for_a_lock_reports_its_holder(tmp_path: Path, end: str) -> None:
    path, reporter = tmp_path / "locks" / "tea.lock", RecordingReporter()
    with _held(path) as process:
        assert _order_of_events(path, process, reporter, end=end) == ["told", "mine"]
        assert reporter.notes == [f"waiting: {WHAT} by process {process.pid}: -c {path} --flag 'two words'"]


def test_a_held_lock_may_be_refused_instead_of_waiting(tmp_path: Path) -> None:
    path, reporter = tmp_path / "tea.lock", RecordingReporter()
    with _held(path) as process:
        with (
            pytest.raises(SsmiError) as caught,
            locked(path, what=WHAT, reporter=reporter, next_step_if_held="drink water"),
        ):
            pass
        assert caught.value.message == f"{WHAT} by process {process.pid}: -c {path} --flag 'two words'"
        assert caught.value.next_step == "drink water" and not reporter.notes
    with locked(path, what=WHAT, reporter=reporter, next_step_if_held="drink water"):
        assert not reporter.notes


def test_a_free_lock_is_taken_at_once_and_released_on_errors(tmp_path: Path) -> None:
    path, reporter = tmp_path / "a.lock", RecordingReporter()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), locked(path, what=WHAT, reporter=reporter):
            raise KeyboardInterrupt
    with locked(path, what=WHAT, reporter=reporter), locked(tmp_path / "b.lock", what=WHAT, reporter=reporter):
        pass
    assert not reporter.notes


@pytest.mark.parametrize("holder_text", [None, b"\xff\xfe", b"a\x1b[31mb"])
def test_the_holder_may_be_unknown(tmp_path: Path, holder_text: bytes | None) -> None:
    path, reporter = tmp_path / "tea.lock", RecordingReporter()
    with _held(path) as process:
        holder = tmp_path / "tea.holder"
        holder.unlink()
        if holder_text is not None:
            holder.write_bytes(holder_text)
        _order_of_events(path, process, reporter, end="done")
    (note,) = reporter.notes
    assert note.isprintable() and note.endswith(
        "a?[31mb" if holder_text and b"a" in holder_text else "by another process"
    )


def test_a_lock_that_cannot_be_created_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    entered = False
    with locked(tmp_path / "locks" / "a.lock", what=WHAT, reporter=Silent()):
        entered = True
    assert entered


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match="No space"), locked(tmp_path / "locks" / "a", what=WHAT, reporter=Silent()):
        pass

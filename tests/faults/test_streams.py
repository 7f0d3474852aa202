"""Standard streams that end early, and signals: silence or one line, never a traceback, nothing half written."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ssmi.project import Project

PRINTING = {
    "help": ("--help",),
    "params": ("params",),
    "ablate list": ("ablate", "--list"),
    "data list": ("data", "list"),
    "stats": ("stats", "coverage"),
    "predict": ("predict", "--input", "text", "data/tiny/dev.bmes"),
    "explain": ("explain", "北", "--segment", "北京"),
}
"""Commands that print; those in ``LIGHT`` need only a project, the others a trained one."""
LIGHT = ("help", "params", "ablate list")
CLOSED_PIPE = (0, -signal.SIGPIPE)


def _printing_to(project: Any, descriptor: int, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ssmi.cli.main", *command],
        cwd=project.root,
        env=dict(project.environment),
        stdout=descriptor,
        stderr=subprocess.PIPE,
        text=True,
        timeout=1200,
    )


@pytest.fixture(scope="module")
def project_of(pristine_project: Any, request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """The cheapest project in which a command can print."""

    def find(name: str) -> Any:
        return pristine_project if name in LIGHT else request.getfixturevalue("tagging_project")

    return find


@pytest.mark.parametrize("name", PRINTING)
def test_a_closed_reader_is_no_error(project_of: Callable[[str], Any], name: str) -> None:
    """As with ``| head -1``: the command ends silently, with code 0 or by SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    completed = _printing_to(project_of(name), writer, PRINTING[name])
    os.close(writer)
    assert completed.returncode in CLOSED_PIPE
    assert "rror" not in completed.stderr and "Traceback" not in completed.stderr, completed.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", PRINTING)
def test_output_to_a_full_disk_is_reported(project_of: Callable[[str], Any], name: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        completed = _printing_to(project_of(name), full.fileno(), PRINTING[name])
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-2:] == [
        "error: No space left on device",
        "  next: make room, or name another place",
    ]
    assert "Traceback" not in completed.stderr and "Exception ignored" not in completed.stderr


def test_other_broken_pipes_are_errors(pristine_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout still has a reader, so the broken pipe is that of a helper process."""

    def raise_broken_pipe(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(Project, "params", raise_broken_pipe)
    outcome = pristine_project.ssmi("features", "build")
    assert outcome.code == 1 and outcome.stderr.startswith("error: a helper process ended unexpectedly\n")


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore the signal handlers of the test process, which commands run in it change."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(("previous", "expected"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, None)])
def test_sighup_is_handled_unless_it_was_ignored(
    pristine_project: Any, handlers: None, previous: Any, expected: Any
) -> None:
    signal.signal(signal.SIGHUP, previous)
    assert pristine_project.ssmi("params").code == 0
    assert signal.getsignal(signal.SIGHUP) is (expected or signal.default_int_handler)


def _wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    while not path.exists():
        assert process.poll() is None, f"ended before {path} existed"
        time.sleep(0.01)


@pytest.mark.usefixtures("without_nohup")
def test_training_is_saved_when_its_terminal_is_closed(project: Any) -> None:
    run = project.root / "artifacts" / "train" / "tiny"
    terminal, terminal_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ssmi.cli.main", "train", "-S", "train.epochs=40"],
        cwd=project.root,
        env={**project.environment, "TERM": "xterm"},
        stdin=terminal_end,
        stdout=terminal_end,
        stderr=terminal_end,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(terminal_end)
    os.set_blocking(terminal, False)
    while not (run / "state" / "state.json").exists():
        assert process.poll() is None
        _drain(terminal)
        time.sleep(0.01)
    os.close(terminal)  # writing to the terminal fails from here on, and the kernel sends SIGHUP
    assert process.wait(1200) == 130
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint", "history.csv", "pinned", "state"]
    assert "nothing to resume" not in project.ssmi("train", "--resume", "-S", "train.epochs=41").stderr


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _drain(terminal: int) -> None:
    with suppress(BlockingIOError):
        os.read(terminal, 1 << 16)


@pytest.mark.usefixtures("without_nohup")
@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)])
def test_a_build_stopped_by_a_signal_changes_nothing(project: Any, numbers: Sequence[signal.Signals]) -> None:
    project.set("prepare", sentences_per_part=1)
    raw = project.raw("train").read_bytes()
    project.raw("train").write_text("好 O\n\n" * 20_000, encoding="utf-8")
    before = project.artifacts()
    with project.start("features", "build") as process:
        while not list(project.root.glob(".ssmi/scratch/stages/*/*/output/train/part-00003.parquet")):
            assert process.poll() is None
            time.sleep(0.005)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.05)
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode in (130, *(-number for number in numbers[1:])), stderr
    assert "Traceback" not in stderr and "--debug" not in stderr, stderr
    if len(numbers) == 1:
        assert project.artifacts() == before
    # After a second signal during the clean-up, the next command does the rest.
    project.raw("train").write_bytes(raw)
    assert project.ssmi("features", "build", "-S", "prepare.sentences_per_part=256").code == 0
    assert not [name for name in project.artifacts() if ".ssmi." in name]

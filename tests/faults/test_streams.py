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
def test_a_reader_that_goes_is_no_error(project_of: Callable[[str], Any], name: str) -> None:
    """As with ``| head -1``: the command ends silently, with code 0 or by SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    done = _printing_to(project_of(name), writer, PRINTING[name])
    os.close(writer)
    assert done.returncode in CLOSED_PIPE
    assert "rror" not in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", PRINTING)
def test_output_into_a_full_disk_is_said(project_of: Callable[[str], Any], name: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = _printing_to(project_of(name), full.fileno(), PRINTING[name])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "error: No space left on device",
        "  next: make room, or name another place",
    ]
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_another_broken_pipe_is_no_success(pristine_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout still has a reader, so the broken pipe belongs to a process that this one worked with."""

    def break_off(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(Project, "params", break_off)
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


@pytest.mark.parametrize(("was", "then"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, None)])
def test_a_closed_terminal_is_heard_unless_it_is_to_be_ignored(
    pristine_project: Any, handlers: None, was: Any, then: Any
) -> None:
    signal.signal(signal.SIGHUP, was)
    assert pristine_project.ssmi("params").code == 0
    assert signal.getsignal(signal.SIGHUP) is (then or signal.default_int_handler)


def _wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    while not path.exists():
        assert process.poll() is None, f"ended before {path} was there"
        time.sleep(0.01)


@pytest.mark.usefixtures("without_nohup")
def test_a_training_whose_terminal_is_closed_is_saved(project: Any) -> None:
    run = project.root / "artifacts" / "train" / "tiny"
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ssmi.cli.main", "train", "-S", "train.epochs=40"],
        cwd=project.root,
        env={**project.environment, "TERM": "xterm"},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(end)
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
def test_a_build_that_is_told_to_stop_leaves_all_as_it_was(project: Any, numbers: Sequence[signal.Signals]) -> None:
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

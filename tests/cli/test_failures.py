"""Output of a failed command: one line with the error, one with the next step, and the exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from ssmi.cli.failures import explain, explain_interrupt, print_failure, resumable
from ssmi.model.training.interrupts import Interrupted
from ssmi.pipeline.contract.errors import InputDataError

Captured = pytest.CaptureFixture[str]


def _explained(error: BaseException, capsys: Captured) -> tuple[int, str, str]:
    """Return the exit code, the error and the next step; fail unless exactly two lines were printed."""
    code = explain(error)
    message, advice = capsys.readouterr().err.splitlines()
    assert message.startswith("error: ") and advice.startswith("  next: ")
    return code, message.removeprefix("error: "), advice.removeprefix("  next: ")


def test_an_error_of_this_package_is_printed_with_its_next_step(capsys: Captured) -> None:
    error = InputDataError("a.bmes:3: no tag", next_step="correct it")
    assert _explained(error, capsys) == (3, "a.bmes:3: no tag", "correct it")


@pytest.mark.parametrize(
    ("number", "message", "advice"),
    [
        (errno.ENOSPC, "No space left on device", "make room"),
        (errno.EFBIG, "File too large", "ulimit -f"),
        (errno.EROFS, "Read-only file system", "permissions"),
        (errno.EACCES, "Permission denied", "permissions"),
        (errno.EIO, "Input/output error", "the disk"),
        (errno.EMFILE, "Too many open files", "ulimit -n"),
        (errno.ENAMETOOLONG, "File name too long", "shorter"),
    ],
)
def test_system_errors_come_with_advice(number: int, message: str, advice: str, capsys: Captured) -> None:
    """The message names the final path, not the temporary one."""
    path = "/p/artifacts/.shards.0123456789abcdef.ssmi.tmp/train/.part-00000.parquet.fedcba9876543210.ssmi.tmp"
    code, error, next_step = _explained(OSError(number, os.strerror(number), path), capsys)
    assert (code, error) == (1, f"/p/artifacts/shards/train/part-00000.parquet: {message}")
    assert advice in next_step and "--debug" not in next_step
    assert _explained(OSError(number, os.strerror(number)), capsys)[1] == message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_for_numpy(capsys: Captured) -> None:
    """NumPy's own error gives the number of items that were not written, but no reason."""
    with pytest.raises(OSError, match="requested") as raised, Path("/dev/full").open("wb") as stream:
        np.arange(100_000).tofile(stream)
    assert _explained(raised.value, capsys)[1:] == ("No space left on device", "make room, or name another place")


def test_running_out_of_memory_is_reported(capsys: Captured) -> None:
    code, message, advice = _explained(MemoryError("Unable to allocate 8 GiB"), capsys)
    assert (code, message) == (1, "out of memory (Unable to allocate 8 GiB)") and "memory" in advice


def test_unexpected_errors_suggest_a_bug_report(capsys: Captured) -> None:
    code, message, advice = _explained(KeyError("a\nb"), capsys)
    assert (code, message) == (1, r"KeyError: 'a\nb'") and "--debug" in advice


def test_a_closed_stderr_keeps_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert print_failure("error: gone", 5) == 5
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_an_interrupted_command_prints_its_next_step_if_it_has_one(capsys: Captured) -> None:
    with pytest.raises(click.exceptions.Abort) as raised, resumable("go on"):
        raise KeyboardInterrupt
    assert explain_interrupt(raised.value) == 130
    assert capsys.readouterr().err == "interrupted\n  next: go on\n"
    assert explain_interrupt(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"
    # The command explains this kind itself.
    with pytest.raises(Interrupted), resumable("go on", unless=Interrupted):
        raise Interrupted("stopped in epoch 2")

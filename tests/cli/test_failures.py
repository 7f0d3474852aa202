"""Output of a failed command: one line with the error, one with the next step, and the exit code."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ssmi.cli.failures import explain, print_failure
from ssmi.pipeline.contract.errors import InputDataError

Captured = pytest.CaptureFixture[str]


def _said(error: BaseException, capsys: Captured) -> tuple[int, str, str]:
    """Return the exit code, the error and the next step; fail unless exactly two lines were printed."""
    code = explain(error)
    wrong, advice = capsys.readouterr().err.splitlines()
    assert wrong.startswith("error: ") and advice.startswith("  next: ")
    return code, wrong.removeprefix("error: "), advice.removeprefix("  next: ")


def test_an_error_of_ours(capsys: Captured) -> None:
    error = InputDataError("a.bmes:3: no tag", next_step="correct it")
    assert _said(error, capsys) == (3, "a.bmes:3: no tag", "correct it")


@pytest.mark.parametrize(
    ("number", "wrong", "advice"),
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
def test_the_system_refuses(number: int, wrong: str, advice: str, capsys: Captured) -> None:
    """The message names the final path, not the temporary one."""
    place = "/p/artifacts/.shards.0123456789abcdef.ssmi.tmp/train/.part-00000.parquet.fedcba9876543210.ssmi.tmp"
    code, said, then = _said(OSError(number, os.strerror(number), place), capsys)
    assert (code, said) == (1, f"/p/artifacts/shards/train/part-00000.parquet: {wrong}")
    assert advice in then and "--debug" not in then
    assert _said(OSError(number, os.strerror(number)), capsys)[1] == wrong


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_numpy_on_a_full_disk(capsys: Captured) -> None:
    """NumPy's own error gives the number of items that were not written, but no reason."""
    with pytest.raises(OSError, match="requested") as raised, Path("/dev/full").open("wb") as stream:
        np.arange(100_000).tofile(stream)
    assert _said(raised.value, capsys)[1:] == ("No space left on device", "make room, or name another place")


def test_memory(capsys: Captured) -> None:
    code, wrong, advice = _said(MemoryError("Unable to allocate 8 GiB"), capsys)
    assert (code, wrong) == (1, "out of memory (Unable to allocate 8 GiB)") and "memory" in advice


def test_anything_else_asks_for_a_report(capsys: Captured) -> None:
    code, wrong, advice = _said(KeyError("a\nb"), capsys)
    assert (code, wrong) == (1, r"KeyError: 'a\nb'") and "--debug" in advice


def test_nobody_is_left_to_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert print_failure("error: gone", 5) == 5
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

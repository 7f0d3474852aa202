"""Streams without a reader: output to them is discarded, and nothing fails."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from ssmi.cli.terminal.closed import Stderr, discard_output, has_reader
from ssmi.cli.terminal.progress import Bars, Lines

FULL = Path("/dev/full")


@contextmanager
def _without_reader() -> Iterator[TextIO]:
    """Open the writing end of a pipe whose reading end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield stream


def test_writing_to_a_discarded_stream_does_not_fail() -> None:
    with _without_reader() as stream:
        stream.write("a row")
        with pytest.raises(BrokenPipeError):
            stream.flush()
        discard_output(stream)
        stream.write("another")
        stream.flush()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_stream_on_a_full_disk_can_be_discarded() -> None:
    with FULL.open("w", encoding="utf-8") as stream:
        stream.write("a row")
        discard_output(stream)
        stream.flush()


def test_a_stream_with_a_reader_is_flushed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("a row")
        discard_output(stream)
        assert path.read_text(encoding="utf-8") == "a row"
        stream.write(", another")
    assert path.read_text(encoding="utf-8") == "a row, another"


def test_has_reader_detects_a_closed_pipe() -> None:
    with _without_reader() as stream:
        assert not has_reader(stream)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        assert has_reader(stream)
        os.close(reader)
        assert not has_reader(stream)
    assert has_reader(io.StringIO())


@pytest.mark.parametrize("kind", [Bars, Lines])
def test_work_continues_without_a_reader(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    with _without_reader() as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        reporter, done = kind(), 0
        with reporter.task("work", total=3, unit="steps") as advance:
            for _ in range(3):
                advance(1)
                reporter.note("a line")
                done += 1
        monkeypatch.undo()
    assert done == 3


def test_stderr_forwards_to_the_stream(capsys: pytest.CaptureFixture[str]) -> None:
    stderr = Stderr()
    assert stderr.write("a line\n") == 7 and stderr.encoding == sys.stderr.encoding and not stderr.isatty()
    stderr.flush()
    assert capsys.readouterr().err == "a line\n"

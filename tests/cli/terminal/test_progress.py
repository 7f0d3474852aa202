"""Progress on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ssmi.cli.terminal.progress import SECONDS_BETWEEN_LINES, Bars, Lines, choose_reporter

Captured = pytest.CaptureFixture[str]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@contextmanager
def _terminal(patch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Connect stderr to a terminal of 60 columns; yield a function that returns the new output."""
    leader, follower = pty.openpty()
    patch.setenv("TERM", "xterm")
    patch.setenv("COLUMNS", "60")
    patch.delenv("NO_COLOR", raising=False)
    os.set_blocking(leader, False)
    stream = os.fdopen(follower, "w", encoding="utf-8")

    def read_output() -> str:
        stream.flush()
        output = b""
        while True:
            try:
                output += os.read(leader, 1 << 16)
            except BlockingIOError:
                return output.decode("utf-8")

    with stream, patch.context() as inner:
        inner.setattr(sys, "stderr", stream)
        yield read_output
    os.close(leader)


def test_terminals_get_bars_and_logs_get_lines(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert isinstance(choose_reporter(), Lines)
    with _terminal(monkeypatch):
        assert isinstance(choose_reporter(), Bars)


# --- bars -------------------------------------------------------------------------------------------------------------


def test_a_bar_counts_and_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as read_output:
        with Bars().task("embed", total=40, unit="words") as advance:
            advance(25)
            advance(15)
        shown = read_output()
    assert "embed" in shown and "words" in shown and "40/40" in ESCAPES.sub("", shown)
    assert shown.rstrip().endswith("\x1b[2K")  # the line is erased


def test_a_task_of_unknown_length_counts_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as read_output:
        with Bars().task("read", total=0, unit="sentences") as advance:
            advance(7)
        shown = ESCAPES.sub("", read_output())
    assert "7 sentences" in " ".join(shown.split()) and "/" not in shown.replace("-:--:--", "")


@pytest.mark.parametrize("label", ["evaluate {0}.txt", "evaluate {draft}.txt", "evaluate [bold]a.txt", "[/x]"])
def test_a_file_name_is_shown_literally(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    """A task is named after a user's file: braces are not a template, and brackets are not markup."""
    with _terminal(monkeypatch) as read_output:
        with Bars().task(label, total=3, unit="characters") as advance:
            advance(3)
        assert label in ESCAPES.sub("", read_output())


def test_a_note_is_one_unchanged_line(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "x.txt: [red]repaired[/red]: 12 times " + "行" * 60
    with _terminal(monkeypatch) as read_output:
        Bars().note(message)
        assert read_output() == f"{message}\r\n"


def test_the_bar_is_hidden_for_output_and_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as read_output:
        bars = Bars()
        bars.make_room()  # without a bar, this does nothing
        with bars.task("predict", total=2, unit="characters") as advance:
            advance(1)
            bars.make_room()
            before = read_output()
            assert before.rstrip().endswith("\x1b[2K")
            time.sleep(0.3)
            assert read_output() == ""  # no bar is drawn over the printed output
            advance(1)
            assert "predict" in read_output()


def test_the_bar_is_erased_when_its_task_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as read_output:
        with pytest.raises(ValueError, match="broken"), Bars().task("fetch", total=9, unit="bytes"):
            raise ValueError("broken")
        assert read_output().rstrip().endswith("\x1b[2K")


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_log_gets_one_line_per_minute(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lines = Lines()
    with lines.task("embed", total=12_000, unit="words") as advance:
        for _ in range(10):
            now += SECONDS_BETWEEN_LINES / 4
            advance(1_200)
    assert capsys.readouterr().err == "embed: 4,800 of 12,000 words\nembed: 9,600 of 12,000 words\n"
    with lines.task("read", total=0, unit="lines") as advance:
        now += SECONDS_BETWEEN_LINES
        advance(1_000)
    assert capsys.readouterr().err == "read: 1,000 lines\n"


def test_a_short_task_prints_no_line_but_a_note_does(capsys: Captured) -> None:
    lines = Lines()
    with lines.task("prepare", total=3, unit="files") as advance:
        advance(3)
        lines.make_room()
        lines.note("[a] {b} 行")
    assert capsys.readouterr().err == "[a] {b} 行\n"

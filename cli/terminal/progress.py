"""Progress on stderr: bars on a terminal; elsewhere, for tasks of over a minute, one line per minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from ssmi.cli.terminal.closed import Stderr
from ssmi.cli.terminal.visible import visible_lines
from ssmi.pipeline.contract.progress import Advance

SECONDS_BETWEEN_LINES = 60.0


class Bars:
    """Progress bars that vanish when a task ends; notes stay."""

    def __init__(self) -> None:
        self._console = Console(file=cast(TextIO, Stderr()))
        self._drawn: Progress | None = None

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Show a bar; if ``total`` is 0, a spinner and a count."""
        known = total > 0
        count = MofNCompleteColumn() if known else TextColumn("{task.completed}")
        name = TextColumn("{task.description}", markup=False)  # a file name in a label may contain braces and brackets
        columns = (SpinnerColumn(), name, BarColumn(), count, TextColumn(unit), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            bar = progress.add_task(visible_lines(label), total=total if known else None)

            def advance(n: int) -> None:
                progress.advance(bar, n)
                progress.start()  # has an effect only after make_room

            self._drawn = progress
            try:
                yield advance
            finally:
                self._drawn = None

    def note(self, message: str) -> None:
        """Print one line."""
        self._console.print(visible_lines(message), highlight=False, markup=False, soft_wrap=True)

    def make_room(self) -> None:
        """Remove the bar until it advances again, for other output to the same terminal."""
        if self._drawn is not None:
            self._drawn.stop()


class Lines:
    """Progress lines for logs and pipes: no control characters, and nothing for short tasks."""

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Print the progress of a long task, at most once per minute."""
        done = 0
        last = time.monotonic()

        def advance(n: int) -> None:
            nonlocal done, last
            done += n
            now = time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES:
                last = now
                self.note(f"{label}: {done:,} of {total:,} {unit}" if total else f"{label}: {done:,} {unit}")

        yield advance

    def note(self, message: str) -> None:
        """Print one line."""
        stderr = Stderr()
        stderr.write(visible_lines(message) + "\n")
        stderr.flush()

    def make_room(self) -> None:
        """Do nothing: printed lines stay."""


def choose_reporter() -> Bars | Lines:
    """Return bars if stderr is a terminal, lines otherwise."""
    return Bars() if sys.stderr.isatty() else Lines()

"""Ctrl-C, SIGTERM and SIGHUP in training: recorded at once, acted on after the next step, where a run can resume."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from ssmi.pipeline.contract.progress import Advance, Reporter

# SIGHUP is sent when a terminal closes or a connection breaks; Windows has none.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C, SIGTERM or SIGHUP, and everything needed to resume is on disk.

    Attributes:
        message: Where the training stopped.

    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Stopped(Exception):
    """Raised by a watched reporter's ``advance`` after a signal."""


class Interrupts:
    """Signal handling within a ``with`` block: the first signal sets ``seen``, a second raises KeyboardInterrupt.

    Outside the main thread, where Python allows no handlers, nothing is changed; nor are signals that are ignored
    (``nohup``).
    """

    def __init__(self) -> None:
        self.seen = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        """Install the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            # None: a handler that Python did not install and cannot restore.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

    def watch(self, reporter: Reporter) -> Reporter:
        """Wrap a reporter so that ``advance`` raises Stopped after a signal, since scoring has no steps to stop at."""
        return _Watched(reporter, self)


class _Watched:
    def __init__(self, reporter: Reporter, interrupts: Interrupts) -> None:
        self._reporter = reporter
        self._interrupts = interrupts

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        with self._reporter.task(label, total=total, unit=unit) as advance:

            def advance_or_stop(count: int) -> None:
                advance(count)
                if self._interrupts.seen:
                    raise Stopped

            yield advance_or_stop

    def note(self, message: str) -> None:
        self._reporter.note(message)

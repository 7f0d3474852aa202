"""Ctrl-C, SIGTERM and SIGHUP in training: noted at once, obeyed at the next step, where the run can be resumed from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from ssmi.pipeline.contract.progress import Advance, Reporter

# A terminal that is closed, or a connection that breaks, sends the last; Windows has none.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop and did; everything needed to resume is on disk. ``message`` says where it stands."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Stopped(Exception):
    """Raised by a watched reporter's ``advance`` after a signal."""


class Interrupts:
    """While open, the first signal only sets ``seen``; a second one interrupts at once, as Python does.

    It changes nothing in a thread other than the main one, where Python allows no handlers, and for signals that are
    ignored (``nohup``).
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
        """Put the previous handlers back."""
        for number, handler in self._before.items():
            # None: a handler that Python did not install and cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True

    def watch(self, reporter: Reporter) -> Reporter:
        """The same reporter, whose ``advance`` raises Stopped after a signal: scoring has no steps to stop at."""
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

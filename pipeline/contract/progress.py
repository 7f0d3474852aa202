"""Progress reports of long work, whether they go to a terminal, to a log or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Advance = Callable[[int], None]


@runtime_checkable
class Reporter(Protocol):
    """Receives progress while a stage works. ``cli.terminal.progress`` draws bars; ``Silent`` shows nothing."""

    def task(self, label: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a task of ``total`` units; call the yielded function with the number of units just completed."""
        ...

    def note(self, message: str) -> None:
        """Show a one-line message that stays visible."""
        ...


class Silent:
    """A reporter that shows nothing, for tests and library use."""

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Ignore the progress."""
        yield lambda _: None

    def note(self, message: str) -> None:
        """Ignore the message."""

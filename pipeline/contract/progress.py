"""How long work reports progress, whether a terminal, a log or nothing shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Advance = Callable[[int], None]


@runtime_checkable
class Reporter(Protocol):
    """What a stage may say while it works. ``cli.progress`` draws bars; ``Silent`` says nothing."""

    def task(self, label: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """Open a task of ``total`` units; call the result with how many more are done."""
        ...

    def note(self, message: str) -> None:
        """Say one line that stays."""
        ...


class Silent:
    """A reporter for tests and library use."""

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Accept progress and drop it."""
        yield lambda _: None

    def note(self, message: str) -> None:
        """Drop the line."""

"""A reporter for tests of messages and progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ssmi.pipeline.contract.progress import Advance, Silent


@dataclass
class RecordedTask:
    """The progress of a task."""

    total: int
    unit: str
    done: int = 0


@dataclass
class RecordingReporter(Silent):
    """A reporter that records notes and, by label, tasks; tasks with the same label are added up."""

    notes: list[str] = field(default_factory=list)
    tasks: dict[str, RecordedTask] = field(default_factory=dict)

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Record the progress."""
        task = self.tasks.setdefault(label, RecordedTask(total, unit))

        def advance(count: int) -> None:
            task.done += count

        yield advance

    def note(self, message: str) -> None:
        """Record the message."""
        self.notes.append(message)

"""A process that is fed sentences, and how much memory it has as their rows come out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import IO

WARM_UP = 1 / 3
"""Share of the sentences before memory must stay as it is."""
MOST_GROWTH = 0.05
"""Of the memory after the warm-up."""


@dataclass(frozen=True)
class Course:
    """What a process had while it worked: one entry a sample, in order."""

    n: int
    """Sentences in all."""
    sentences: Sequence[int]
    """That were done."""
    megabytes: Sequence[float]

    def growth(self) -> float:
        """Mean memory of the last third of what comes after the warm-up over that of the first third, less 1.

        Raises ValueError where fewer than three samples are left.
        """
        after = [size for n, size in zip(self.sentences, self.megabytes, strict=True) if n >= WARM_UP * self.n]
        third = len(after) // 3
        if not third:
            raise ValueError("too few samples after the warm-up")
        return sum(after[-third:]) / sum(after[:third]) - 1


def watch(
    command: Sequence[str], texts: Iterable[str], *, every: int, seconds: float | None, row: Callable[[str], object]
) -> Course:
    """Feed a command lines, and tell ``row`` of each line that it writes; Linux only.

    Args:
        command: Writes a line for each that it reads.
        texts: The lines.
        every: After so many lines its memory is looked at.
        seconds: After so many it is fed no more; None for all lines.
        row: Told of each line that comes out.

    Raises:
        subprocess.CalledProcessError: It fails.
        ValueError: It writes more or fewer lines than it was fed.

    """
    course: list[tuple[int, float]] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin and process.stdout
        # A thread of its own: written from here, both sides would wait for each other once the pipes are full.
        fed = _Fed(texts, until=None if seconds is None else monotonic() + seconds)
        feeder = Thread(target=fed.write, args=(process.stdin,), daemon=True)
        feeder.start()
        done = 0
        for done, line in enumerate(process.stdout, 1):
            row(line)
            if not done % every and (size := resident_megabytes(process.pid)):
                course.append((done, size))
        feeder.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    if done != fed.n:
        raise ValueError(f"{done} rows for {fed.n} sentences")
    return Course(done, [at for at, _ in course], [size for _, size in course])


class _Fed:
    """Lines on their way into a command, and how many went."""

    def __init__(self, texts: Iterable[str], *, until: float | None) -> None:
        self.n = 0
        self._texts = texts
        self._until = until

    def write(self, stream: IO[str]) -> None:
        with suppress(BrokenPipeError), stream:  # a command that failed says so by its exit code
            for text in self._texts:
                if self._until is not None and monotonic() > self._until:
                    return
                stream.write(f"{text}\n")
                stream.flush()  # so that texts may wait for the row of the one before
                self.n += 1


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process; 0 for one that has just ended."""
    with suppress(OSError):
        for line in _lines(Path(f"/proc/{pid}/status")):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from stream

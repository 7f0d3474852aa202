"""Feed sentences to a process and record its memory as their rows come out."""

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
"""Share of the sentences after which memory must not grow."""
MAX_GROWTH = 0.05
"""Largest allowed growth, relative to the memory after the warm-up."""


@dataclass(frozen=True)
class MemoryProfile:
    """Memory of a process while it worked, with one entry per sample, in order."""

    n: int
    """Total number of sentences."""
    sentences: Sequence[int]
    """Number of sentences done at each sample."""
    megabytes: Sequence[float]

    def growth(self) -> float:
        """Relative growth of mean memory from the first to the last third of the samples after the warm-up.

        Raises ValueError if there are fewer than three samples after the warm-up.
        """
        after = [size for n, size in zip(self.sentences, self.megabytes, strict=True) if n >= WARM_UP * self.n]
        third = len(after) // 3
        if not third:
            raise ValueError("too few samples after the warm-up")
        return sum(after[-third:]) / sum(after[:third]) - 1


def watch(
    command: Sequence[str], texts: Iterable[str], *, every: int, seconds: float | None, row: Callable[[str], object]
) -> MemoryProfile:
    """Feed lines to a command, and call ``row`` with each line that it writes; Linux only.

    Args:
        command: Command that writes one line for each line it reads.
        texts: The lines.
        every: Number of lines between samples of memory.
        seconds: Seconds after which feeding stops; None for all lines.
        row: Called with each line of output.

    Raises:
        subprocess.CalledProcessError: The command fails.
        ValueError: The command writes more or fewer lines than it was fed.

    """
    samples: list[tuple[int, float]] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin and process.stdout
        # A separate thread, because otherwise both sides would wait for each other once the pipes are full.
        feeder = _Feeder(texts, until=None if seconds is None else monotonic() + seconds)
        thread = Thread(target=feeder.write, args=(process.stdin,), daemon=True)
        thread.start()
        n_rows = 0
        for n_rows, line in enumerate(process.stdout, 1):
            row(line)
            if not n_rows % every and (size := resident_megabytes(process.pid)):
                samples.append((n_rows, size))
        thread.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    if n_rows != feeder.n:
        raise ValueError(f"{n_rows} rows for {feeder.n} sentences")
    return MemoryProfile(n_rows, [n for n, _ in samples], [size for _, size in samples])


class _Feeder:
    """Writes lines to a command and counts them."""

    def __init__(self, texts: Iterable[str], *, until: float | None) -> None:
        self.n = 0
        self._texts = texts
        self._until = until

    def write(self, stream: IO[str]) -> None:
        with suppress(BrokenPipeError), stream:  # a failed command is reported through its exit code
            for text in self._texts:
                if self._until is not None and monotonic() > self._until:
                    return
                stream.write(f"{text}\n")
                stream.flush()  # so that a text may wait for the row of the previous one
                self.n += 1


def python(module: str, *arguments: str) -> list[str]:
    """Command line that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process; 0 if it has just ended."""
    with suppress(OSError):
        for line in _lines(Path(f"/proc/{pid}/status")):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from stream

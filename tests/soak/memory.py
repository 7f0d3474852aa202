"""A process and how much memory it has while it reads its input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN = 0.5
WARM_UP = 0.3
"""Share of the input that is read before memory must stay as it is."""
MOST_GROWTH = 0.05
"""Of the memory after the warm-up."""


@dataclass(frozen=True)
class Course:
    """What a process had while it read: one entry a sample, in order."""

    shares: Sequence[float]
    """Of the input read so far, from 0 to 1."""
    megabytes: Sequence[float]

    @property
    def growth(self) -> float:
        """Mean memory of the last third after the warm-up over that of the first third, less 1."""
        after = [size for share, size in zip(self.shares, self.megabytes, strict=True) if share >= WARM_UP]
        third = len(after) // 3
        if not third:
            raise ValueError("too few samples: give it more sentences")
        return sum(after[-third:]) / sum(after[:third]) - 1

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than ``MOST_GROWTH``."""
        return self.growth <= MOST_GROWTH


def watch(command: Sequence[str], *, n_bytes: int) -> Course:
    """Run a command that reads ``n_bytes`` of input besides what it reads at its start; Linux only.

    Raises subprocess.CalledProcessError where it fails.
    """
    samples: list[tuple[int, float]] = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if (sample := _sample(process.pid)) is not None:
                samples.append(sample)
            try:
                process.wait(SECONDS_BETWEEN)
            except subprocess.TimeoutExpired:
                continue
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    last = samples[-1][0]
    # What it read before its input (programs, weights, features) lies before the last n_bytes.
    kept = [((n_read - last) / n_bytes + 1, size) for n_read, size in samples if n_read > last - n_bytes]
    return Course([share for share, _ in kept], [size for _, size in kept])


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def _sample(pid: int) -> tuple[int, float] | None:
    """Bytes read so far, and resident memory in MB; None for a process that has just ended."""
    try:
        counters = Path(f"/proc/{pid}/io").read_text(encoding="utf-8")
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
        return int(counters.split()[1]), int(pages) * 4096 / 1e6
    except (OSError, IndexError):
        return None

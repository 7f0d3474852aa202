"""Expected duration of an ablation, from earlier runs with the same settings on this machine or from a few steps.

The times of this machine are stored in ``.ssmi``, not among the artifacts, whose bytes must not depend on a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ssmi.ablation.jobs.job import Speed
from ssmi.pipeline.contract.parameters.params import TrainParams
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.pipeline.contract.text.json_text import loads

_TAGGING = 0.35
"""Time to tag a character (a forward pass and the CRF's search) as a share of the time to train on it."""


@dataclass(frozen=True, slots=True)
class Times:
    """Measured seconds of complete runs on this machine, by settings and number of runs at once."""

    path: Path

    def of(self, settings: str, *, n_jobs: int) -> float | None:
        """Return the seconds that a run took; None if none was timed."""
        return self._read().get(f"{settings} x{n_jobs}")

    def add(self, settings: str, *, n_jobs: int, seconds: float) -> None:
        """Store the seconds that a run took, replacing an earlier measurement."""
        times = {**self._read(), f"{settings} x{n_jobs}": round(seconds, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with writing(self.path) as temporary:
            temporary.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, float]:
        try:
            return {str(name): float(value) for name, value in loads(self.path.read_text("utf-8")).items()}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError):
            return {}  # nothing was timed, or the file is damaged; the times are only a hint


def seconds_of_run(speed: Speed, train: TrainParams, *, tagged_characters: int) -> float:
    """Estimate the seconds that a run will take.

    Args:
        speed: Speed of its first steps.
        train: Training parameters of the run.
        tagged_characters: Number of characters in the sentences that are scored after each epoch.

    """
    trained = speed.characters * train.epochs
    if train.max_steps is not None:
        trained = min(trained, round(speed.characters_per_step * train.max_steps))
    n_epochs = -(-trained // max(speed.characters, 1))
    return speed.start_seconds + (trained + _TAGGING * tagged_characters * n_epochs) / speed.characters_per_second


def total(seconds: Iterable[float], *, n_jobs: int) -> float:
    """Return the total seconds of runs with these durations, with ``n_jobs`` at once."""
    # As in the pool, the next run takes the first free slot.
    ends = [0.0] * n_jobs
    for one in seconds:
        ends[ends.index(min(ends))] += one
    return max(ends)


def in_words(seconds: float) -> str:
    """Format a duration: ``2 h 10 min``, ``5 min``, ``20 s``."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def describe(known: Mapping[str, float], *, n_runs: int, seconds: float, n_jobs: int) -> str:
    """Describe the duration: ``60 runs, about 2 h 10 min with 2 jobs``, and the duration of a run of each row."""
    jobs = f" with {n_jobs} jobs" if n_jobs > 1 else ""
    each = ", ".join(f"{name} {in_words(one)}" for name, one in known.items())
    return f"{n_runs} run{'s' if n_runs != 1 else ''}, about {in_words(seconds)}{jobs} (a run: {each})"

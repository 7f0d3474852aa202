"""How long an ablation will take: from runs of the same settings that this machine has done, else from a few steps.

The times of this machine are in ``.ssmi``, not among the artifacts, whose bytes depend on no clock.
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
"""The time to tag a character, as a share of the time to train on it: a forward pass, and the CRF's search."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a whole run, by settings and by how many ran at once, as measured on this machine."""

    path: Path

    def of(self, settings: str, *, n_jobs: int) -> float | None:
        """What a run took; None where none has been timed."""
        return self._read().get(f"{settings} x{n_jobs}")

    def add(self, settings: str, *, n_jobs: int, seconds: float) -> None:
        """Keep what a run took, in place of what one took before."""
        times = {**self._read(), f"{settings} x{n_jobs}": round(seconds, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with writing(self.path) as temporary:
            temporary.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, float]:
        try:
            return {str(name): float(value) for name, value in loads(self.path.read_text("utf-8")).items()}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError):
            return {}  # nothing was timed, or the file is damaged: it is only a hint


def seconds_of_run(speed: Speed, train: TrainParams, *, tagged_characters: int) -> float:
    """What a run will take.

    Args:
        speed: Of its first steps.
        train: Its parameters.
        tagged_characters: Of the sentences that are scored after each epoch.

    """
    trained = speed.characters * train.epochs
    if train.max_steps is not None:
        trained = min(trained, round(speed.characters_a_step * train.max_steps))
    n_epochs = -(-trained // max(speed.characters, 1))
    return speed.start_seconds + (trained + _TAGGING * tagged_characters * n_epochs) / speed.characters_a_second


def total(seconds: Iterable[float], *, n_jobs: int) -> float:
    """What runs of these times take, so many at once."""
    # As the pool gives them out: the next run takes the slot that is free first.
    ends = [0.0] * n_jobs
    for one in seconds:
        ends[ends.index(min(ends))] += one
    return max(ends)


def in_words(seconds: float) -> str:
    """``2 h 10 min``, ``5 min``, ``20 s``."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def describe(known: Mapping[str, float], *, n_runs: int, seconds: float, n_jobs: int) -> str:
    """``60 runs, about 2 h 10 min with 2 jobs``, and what a run of each row takes."""
    jobs = f" with {n_jobs} jobs" if n_jobs > 1 else ""
    each = ", ".join(f"{name} {in_words(one)}" for name, one in known.items())
    return f"{n_runs} run{'s' if n_runs != 1 else ''}, about {in_words(seconds)}{jobs} (a run: {each})"

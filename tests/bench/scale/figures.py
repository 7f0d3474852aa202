"""What was measured of the pipeline, as the simulation takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

MEASURED = Path(__file__).parent / "measured.json"
"""The figures that docs/scale.md is made of."""


@dataclass(frozen=True)
class StageCost:
    """What one sentence more costs a stage: the difference of two sizes of one corpus, so without its start."""

    cpu: float
    """CPU seconds; of ``embed`` without the encoder."""
    bytes_out: float
    """Of parts; what lies beside them does not grow with the sentences."""
    files_a_part: float
    peak_mib: int
    """Of the process, at the larger size."""


@dataclass(frozen=True)
class Growth:
    """A count that grows as ``factor * sentences ** power``, fitted to what was counted in some text (Heaps' law)."""

    counted: Mapping[int, int]
    """Sentences → count."""
    factor: float
    power: float

    def at(self, sentences: float) -> float:
        """The count in so many sentences."""
        return float(self.factor * sentences**self.power)


@dataclass(frozen=True)
class Rates:
    """What each part costs that does no work, in seconds of CPU, and what is kept of it."""

    scheduler: float
    """Of the Dask scheduler, a task."""
    driver: float
    """Of the driver with Dask, a task: hand it over, take its result."""
    look: float
    """Of the driver, for each task under way, whenever it fills its window."""
    plan: float
    """Of the driver, a part: its task is made and its mark looked for, before the first is handed over."""
    worker: float
    """Of the worker, a task: from its call to its mark on the disk."""
    listing: float
    """Of the driver, a part that is listed, with its rows."""
    manifest_bytes: float
    """Of a stage's manifest, a file."""
    manifest_read: float
    """Of any process, a file that the manifest names, whenever a table of that stage is read."""
    manifest_memory: float
    """Bytes in memory, a file that the manifest names."""
    manifest_write: float
    """Of the driver, a file."""
    plan_memory: float
    """Bytes in the driver's memory, a part of a stage under way."""
    range_open: float
    """Of a worker of ``selection``, a part and a range of characters: its file is opened and searched."""
    digest: float
    """Of the driver, a byte of output, which it reads once more for the manifest."""


@dataclass(frozen=True)
class Figures:
    """All that was measured on one machine."""

    when: str
    corpus: str
    sizes: tuple[int, int]
    """Sentences of the two builds whose difference is the cost."""
    characters: float
    """A sentence."""
    stages: Mapping[str, StageCost]
    encode: float
    """CPU seconds of the encoder, a word that the machine has not encoded."""
    new_words: Mapping[str, Growth]
    """Name of a text → its segments outside the vocabulary."""
    segments: Mapping[str, Growth]
    """The same for all distinct segments."""
    queries: Mapping[str, Growth]
    """The same for pairs of a character and a segment."""
    segment_memory: float
    """Bytes in each process of ``selection``, a distinct segment."""
    rates: Rates


_ADAPTER = TypeAdapter(Figures)


def load(path: Path = MEASURED) -> Figures:
    """Read figures."""
    return _ADAPTER.validate_json(path.read_text(encoding="utf-8"))


def save(figures: Figures, path: Path) -> None:
    """Write figures."""
    body = json.dumps(_ADAPTER.dump_python(figures, mode="json"), ensure_ascii=False, indent=1)
    path.write_text(body + "\n", encoding="utf-8")

"""Measurements of the pipeline, as input of the simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

MEASURED = Path(__file__).parent / "measured.json"
"""The figures from which docs/scale.md is made."""


@dataclass(frozen=True)
class StageCost:
    """Cost of one more sentence in a stage: the difference between two sizes of one corpus, so without start-up."""

    cpu: float
    """CPU seconds; for ``embed``, without the encoder."""
    bytes_out: float
    """Bytes written to parts; other files do not grow with the sentences."""
    files_a_part: float
    peak_mib: int
    """Peak memory of the process at the larger size."""


@dataclass(frozen=True)
class Growth:
    """A count that grows as ``factor * sentences ** power`` (Heaps' law), fitted to counts in a text."""

    counted: Mapping[int, int]
    """Mapping from number of sentences to count."""
    factor: float
    power: float

    def at(self, sentences: float) -> float:
        """The count for a number of sentences."""
        return float(self.factor * sentences**self.power)


@dataclass(frozen=True)
class Rates:
    """Overhead of parts that do no work: CPU seconds, unless another unit is given."""

    scheduler: float
    """CPU time of the Dask scheduler per task."""
    driver: float
    """CPU time of the driver with Dask per task: submitting it and taking its result."""
    look: float
    """CPU time of the driver per unfinished task, whenever it fills its window."""
    plan: float
    """CPU time of the driver per part: making its task and checking for its mark before the first task is submitted."""
    worker: float
    """CPU time of the worker per task, from its call to its mark on disk."""
    listing: float
    """CPU time of the driver per part, to list it with its number of rows."""
    manifest_bytes: float
    """Bytes of a stage's manifest, per file."""
    manifest_read: float
    """CPU time of any process per file in the manifest, whenever it reads a table of that stage."""
    manifest_memory: float
    """Bytes in memory, per file in the manifest."""
    manifest_write: float
    """CPU time of the driver per file in the manifest, to write it."""
    plan_memory: float
    """Bytes in the driver's memory, per part of the running stage."""
    range_open: float
    """CPU time of a worker of ``selection`` per part and range of characters: opening and searching the file."""
    digest: float
    """CPU time of the driver per byte of output, which it reads again for the manifest."""


@dataclass(frozen=True)
class Figures:
    """All measurements of one machine."""

    when: str
    corpus: str
    sizes: tuple[int, int]
    """Sentences of the two builds whose difference is the cost."""
    characters: float
    """Mean number of characters per sentence."""
    stages: Mapping[str, StageCost]
    encode: float
    """CPU seconds of the encoder, per word that the machine has not encoded yet."""
    new_words: Mapping[str, Growth]
    """Mapping from the name of a text to its segments outside the vocabulary."""
    segments: Mapping[str, Growth]
    """Mapping from the name of a text to all its distinct segments."""
    queries: Mapping[str, Growth]
    """Mapping from the name of a text to its distinct pairs of a character and a segment."""
    segment_memory: float
    """Bytes in each process of ``selection``, per distinct segment."""
    rates: Rates


_ADAPTER = TypeAdapter(Figures)


def load(path: Path = MEASURED) -> Figures:
    """Read figures."""
    return _ADAPTER.validate_json(path.read_text(encoding="utf-8"))


def save(figures: Figures, path: Path) -> None:
    """Write figures."""
    body = json.dumps(_ADAPTER.dump_python(figures, mode="json"), ensure_ascii=False, indent=1)
    path.write_text(body + "\n", encoding="utf-8")

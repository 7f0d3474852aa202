"""Tag one part of a corpus: the entities that a run finds, at their positions in the texts as given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.model import hardware
from ssmi.model.corpus_tagging import PartTagger
from ssmi.model.split_tagging import Predicted
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage import plain_files
from ssmi.predict.formats import DIGITS

_MADE_FROM, _ROWS = b"made_from", b"rows"


@dataclass(frozen=True, slots=True)
class PartTask:
    """A part to tag, as paths and settings: another process, or a machine without other files, may do the work."""

    checkpoint: Path
    """Checkpoint folder of the run."""
    boundaries: Path
    """The boundaries file in the folder of the shards."""
    part: Path
    """The part of the shards."""
    arrays: tuple[Path, ...]
    """Arrays of hidden states beside the part."""
    sources: Path
    """The part of the prepared corpus that records where the sentences come from."""
    target: Path
    device: str
    min_score: float
    made_from: str
    """Digest of everything that the result depends on."""


def is_finished(task: PartTask) -> bool:
    """Whether the part exists, is complete, and was made from the same run, shards and settings."""
    try:
        plain_files.require_plain(task.target)
        with pq.ParquetFile(task.target, page_checksum_verification=True) as file:
            table = file.read()
        # The columns first, because JSON cannot represent the values of other columns.
        if table.schema.remove_metadata() != schema.PREDICTIONS:
            return False
        # A changed file may contain invalid text, or numbers that JSON lacks.
        return bool(table.schema.metadata == _metadata(task, table))
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException):
        return False


def tag_part(task: PartTask) -> None:
    """Tag a part and write its entities, completely or not at all.

    Every process uses one thread, so that sums of floats come out the same.
    """
    sources = tables.read_rows(task.sources, schema.SOURCES)
    with hardware.locked_threads(1):
        tagger = _open(task.checkpoint.parent, task.boundaries.parent, task.made_from, task.device)
        predicted = tagger.tag(task.part)
    rows = _rows(sources, predicted, min_score=task.min_score)
    columns = {name: [row[name] for row in rows] for name in schema.PREDICTIONS.names}
    table = pa.table(columns, schema=schema.PREDICTIONS)
    tables.write_table(task.target, schema.PREDICTIONS, table.replace_schema_metadata(_metadata(task, table)))


def _metadata(task: PartTask, table: pa.Table) -> dict[bytes, bytes]:
    """Metadata of a part: the digest of its inputs (``made_from``) and the digest of its rows."""
    return {_MADE_FROM: task.made_from.encode(), _ROWS: digest_json(table.to_pydict()).encode()}


@lru_cache(maxsize=1)
def _open(run: Path, shards: Path, made_from: str, device: str) -> PartTagger:
    """Open the run, once per process; ``made_from`` distinguishes versions of the same folder."""
    return PartTagger.open(run=run, shards=shards, device=device)


def _rows(sources: list[dict[str, Any]], predicted: Predicted, *, min_score: float) -> list[dict[str, Any]]:
    assert predicted.probabilities is not None
    return [
        {
            "text_id": source["text_id"],
            "start": _given(source, span.start),
            "end": _given(source, span.end - 1) + 1,
            "label": span.label,
            "score": round(score, DIGITS),
        }
        for source, spans, scores in zip(sources, predicted.spans, predicted.probabilities, strict=True)
        for span, score in zip(spans, scores, strict=True)
        if score >= min_score
    ]


def _given(source: dict[str, Any], position: int) -> int:
    """Position of a character of a sentence in its text as given."""
    positions = source["positions"]
    given: int = source["start"] + position if positions is None else positions[position]
    return given

"""The file with the counts of each sentence of a split, stored in a run folder."""

from __future__ import annotations

from pathlib import Path

from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.files import COUNTS
from ssmi.model.runs.results import result_files
from ssmi.pipeline.contract.parquet import schema, tables


def path_of(run: Path, split: str) -> Path:
    """Return the path of a split's file in a run folder."""
    return run / COUNTS / f"{split}.parquet"


def write(path: Path, counted: SentenceCounts) -> None:
    """Write a file of counts; equal counts give equal bytes."""
    rows = [
        {
            "sentence": sentence,
            "counts": [
                {"label": label, "gold": of_type.gold, "predicted": of_type.predicted, "correct": of_type.correct}
                for label, of_type in sorted(counts.items())
            ],
        }
        for sentence, counts in zip(counted.sentences, counted.counts, strict=True)
    ]
    tables.write_rows(path, schema.COUNTS, rows)


def read(run: Path, split: str) -> SentenceCounts | None:
    """Read the counts of a run; None if there are none. Raises StaleArtifactError if the file was changed."""
    path = path_of(run, split)
    if not path.is_file():
        return None
    result_files.check(run, path)
    rows = tables.read_rows(path, schema.COUNTS)
    return SentenceCounts(
        [row["sentence"] for row in rows],
        [
            {
                entry["label"]: EntityCounts(entry["gold"], entry["predicted"], entry["correct"])
                for entry in row["counts"]
            }
            for row in rows
        ],
    )

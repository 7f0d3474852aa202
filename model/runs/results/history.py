"""The history of a run: the record of each epoch, the choice of the best, and ``history.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ssmi.model.evaluation.scoring import Scores
from ssmi.model.runs.results import result_files
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.replacing import writing


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The record of an epoch."""

    epoch: int
    """Number of the epoch, from 1."""
    train_loss: float
    """Mean training loss per sentence, with dropout."""
    dev: Scores


class Epoch(NamedTuple):
    """A row of history.csv, with its columns in order; scores are from 0 to 1."""

    epoch: int
    train_loss: float
    dev_precision: float
    dev_recall: float
    dev_f1: float


def best(history: Sequence[EpochRecord]) -> EpochRecord:
    """Return the epoch with the highest dev F1, the earlier of equals; ValueError without epochs."""
    return max(history, key=lambda record: (record.dev.overall.f1, -record.epoch))


def chosen(history: Sequence[EpochRecord], *, select: str) -> EpochRecord:
    """Return the epoch that ``train.select`` keeps: the best or the last; ValueError without epochs."""
    return max(history, key=lambda record: record.epoch) if select == "last" else best(history)


def write(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write history.csv atomically; without epochs only its header."""
    lines = [",".join(Epoch._fields)]
    for record in history:
        dev = record.dev.overall
        lines.append(f"{record.epoch},{record.train_loss:.6f},{dev.precision:.6f},{dev.recall:.6f},{dev.f1:.6f}")
    with writing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> list[Epoch]:
    """Read history.csv; a missing file counts as a history without epochs.

    Raises:
        StaleArtifactError: The file is not a history of this version, or was changed after the run finished.

    """
    result_files.check(path.parent, path)
    try:
        plain_files.require_plain(path)
        with path.open(encoding="utf-8", newline="") as stream:
            return [_epoch(row) for row in csv.DictReader(stream)]
    except FileNotFoundError:
        return []
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StaleArtifactError(
            f"{path}: not a history of this version ({reason})", next_step="train again, or remove the file"
        ) from error


def _epoch(row: Mapping[str, str]) -> Epoch:
    epoch, *values = (row[name] for name in Epoch._fields)
    return Epoch(int(epoch), *map(float, values))

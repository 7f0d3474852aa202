"""The epochs of a run: what is kept of each, which is the best, ``history.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.model.evaluation.scoring import Scores
from ssmi.pipeline.contract.tables import writing


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of history.csv."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean loss of a sentence, with dropout, while it was trained on."""
    dev: Scores


def best(history: Sequence[EpochRecord]) -> EpochRecord:
    """The epoch of the highest dev F1, the earlier of equals; ValueError without epochs."""
    return max(history, key=lambda record: (record.dev.overall.f1, -record.epoch))


def write(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write history.csv, whole or not at all; without epochs its header alone."""
    lines = ["epoch,train_loss,dev_precision,dev_recall,dev_f1"]
    for record in history:
        dev = record.dev.overall
        lines.append(f"{record.epoch},{record.train_loss:.6f},{dev.precision:.6f},{dev.recall:.6f},{dev.f1:.6f}")
    with writing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""Counts of the work done for the texts processed so far."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """Work done since the features were opened."""

    characters: int = 0
    """Number of characters segmented; each makes one query."""
    answered: int = 0
    """Number of queries computed; all others were answered from the cache."""
    embedded: int = 0
    """Number of segments that the encoder embedded: outside the vocabulary and without a stored vector."""
    encoder_calls: int = 0


class CostCounter:
    """Accumulates ``WorkCounts``. Needs no lock, because its callers take turns."""

    def __init__(self) -> None:
        self.counts = WorkCounts()

    def add(self, *, characters: int = 0, answered: int = 0, embedded: int = 0, encoder_calls: int = 0) -> None:
        """Add to the counts."""
        before = self.counts
        self.counts = replace(
            before,
            characters=before.characters + characters,
            answered=before.answered + answered,
            embedded=before.embedded + embedded,
            encoder_calls=before.encoder_calls + encoder_calls,
        )

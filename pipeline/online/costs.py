"""What the texts so far have cost to compute."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """Work done since the features were opened."""

    characters: int = 0
    """Characters segmented; each asks one query."""
    answered: int = 0
    """Queries computed; all others were in the cache."""
    embedded: int = 0
    """Segments that the encoder embedded: outside the vocabulary and without a stored vector."""
    encoder_calls: int = 0


class CostCounter:
    """Adds up ``WorkCounts``. Its users take turns, so it needs no lock."""

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

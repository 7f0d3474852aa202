"""What a tagger says of a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """``text`` is the piece ``[start, end)`` of the text as it was given; positions count code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """The CRF's probability, 0 to 1, that exactly this is an entity of this type."""

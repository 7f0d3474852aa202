"""What a tagger says of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["model", "file"]


@dataclass(frozen=True, slots=True)
class Entity:
    """``text`` is the piece ``[start, end)`` of the text as it was given; positions count code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """The CRF's probability, 0 to 1, that exactly this is an entity of this type; 0 for a type it does not know."""
    source: Source = "model"
    """Whether the run found it, or a file of the user's names it (``open_run(..., entities=...)``)."""

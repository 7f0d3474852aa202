"""What a tagger says of a text, and what a user says beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Source = Literal["model", "file"]
Mode = Literal["add", "force"]
"""``add``: where the tagger found nothing. ``force``: in place of what the tagger found."""
Words = Mapping[str, str | tuple[str, Mode]]
"""Word → label, or label and mode: entities that a user names."""


@dataclass(frozen=True, slots=True)
class Entity:
    """``text`` is the piece ``[start, end)`` of the text as it was given; positions count code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """The run's probability, 0 to 1, that exactly this is an entity of this type; 0 for a type it does not know."""
    source: Source = "model"
    """Whether the run found it, or a file of the user's names it (``open_run(..., entities=...)``)."""

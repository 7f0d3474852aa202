"""Entities that a tagger finds in a text, and entities that a user names beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Source = Literal["model", "file"]
Mode = Literal["add", "force"]
"""``add``: only where the tagger found nothing. ``force``: in place of what the tagger found."""
Words = Mapping[str, str | tuple[str, Mode]]
"""Entities that a user names: a mapping from word to label, or to label and mode."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a text. ``text`` is the slice ``[start, end)`` of the text as given; positions count code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """The run's probability, 0 to 1, that exactly this is an entity of this type; 0 for a type it does not know."""
    source: Source = "model"
    """``model`` if the run found the entity, ``file`` if the user named it (``open_run(..., entities=...)``)."""

"""Texts on their way through a tagger, cut into the pieces that the network reads at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ssmi.pipeline.features.text.blanks import Stretch, pieces_of
from ssmi.predict.entity import Entity
from ssmi.predict.user_entities import MergedEntity


@dataclass(slots=True)
class Text:
    """A text that is being tagged."""

    text: str
    entities: list[Entity] = field(default_factory=list)
    n_waiting: int = 0
    """Number of pieces not tagged yet, plus one while the text is being cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the visible part of a text."""

    parent: Text
    seen: Stretch
    n_source_characters: int
    """Characters of the text as given that this piece accounts for; over all pieces, the whole text."""

    @property
    def text(self) -> str:
        """The text that the network reads; empty only if nothing of the text is visible."""
        return self.seen.text

    def add(self, merged: Iterable[MergedEntity]) -> None:
        """Add the entities of this piece to its text, at their positions in the text as given."""
        for one in merged:
            start, end = self.seen.original_span(one.span.start, one.span.end)
            entity = Entity(start, end, one.span.label, self.parent.text[start:end], one.score, one.source)
            self.parent.entities.append(entity)


def cut(text: Text) -> Iterator[Piece]:
    """Yield the pieces of a text, in order; at least one."""
    windows = pieces_of(text.text)
    # One window behind, because a piece accounts for all characters before the next one begins.
    start, held = 0, next(windows, Stretch("", ()))
    for following in windows:
        yield Piece(text, held, following.positions[0] - start)
        start, held = following.positions[0], following
    yield Piece(text, held, len(text.text) - start)

"""What every reader yields, and what it tells about the reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span, TagScheme

LONGEST_SENTENCE = 1 << 20
"""Characters of a sentence whose rows nothing ends: a packed file of kilobytes may hold one that no memory does."""
LINES_KEPT = 5
"""How many line numbers a report keeps for each reason."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a raw file, free of tag schemes and file formats."""

    characters: tuple[str, ...]
    """One Unicode code point each: readers cut longer tokens (``readers.characters``)."""
    entities: tuple[Span, ...]
    """Gold entities, half-open over ``characters``, sorted, never overlapping."""
    line: int
    """1-based line of the raw file on which the sentence starts; of a JSON array or a Parquet file, the row."""

    @property
    def text(self) -> str:
        """The characters, joined."""
        return "".join(self.characters)


def check_length(n_characters: int, path: Path | str, line: int) -> None:
    """Refuse a sentence that goes on and on. Raises InputDataError over ``LONGEST_SENTENCE``, with its last line."""
    if n_characters > LONGEST_SENTENCE:
        raise InputDataError(
            f"{at_line(path, line)}: a sentence of over {LONGEST_SENTENCE:,} characters",
            next_step="say where sentences end: a blank line, or another number of the sentence",
        )


@dataclass(slots=True)
class ReadReport:
    """Fills up while a file is read; complete when its sentences are exhausted."""

    path: Path
    format: str
    """Name of the format in the registry."""
    scheme: TagScheme | None = None
    """The tag scheme, or None where the file gives spans and no tags."""
    n_sentences: int = 0
    n_characters: int = 0
    n_entities: int = 0
    types: set[str] = field(default_factory=set)
    """Entity types that occur."""
    repairs: dict[str, int] = field(default_factory=dict)
    """Reason → how often something ill-formed was repaired."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Reason → how much was left out."""
    first_lines: dict[str, list[int]] = field(default_factory=dict)
    """Reason (of either kind) → the first few lines of the raw file on which it occurs."""
    notes: list[str] = field(default_factory=list)
    """Decisions about the whole file that a user should know about."""

    def repair(self, reason: str, line: int) -> None:
        """Count one repair."""
        self.repairs[reason] = self.repairs.get(reason, 0) + 1
        self._remember(reason, line)

    def skip(self, reason: str, line: int) -> None:
        """Count one thing left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        self._remember(reason, line)

    def count(self, sentence: Sentence) -> None:
        """Count one sentence that passed."""
        self.n_sentences += 1
        self.n_characters += len(sentence.characters)
        self.n_entities += len(sentence.entities)
        self.types.update(entity.label for entity in sentence.entities)

    def summary(self) -> str:
        """What was repaired or left out, with the first line of each; empty where nothing was."""
        counts = [*self.repairs.items(), *self.skipped.items()]
        return ", ".join(f"{n} {reason} (first in line {self.first_lines[reason][0]})" for reason, n in counts)

    def _remember(self, reason: str, line: int) -> None:
        lines = self.first_lines.setdefault(reason, [])
        if len(lines) < LINES_KEPT:
            lines.append(line)


def types_alike(types: Iterable[str]) -> list[list[str]]:
    """Groups of entity types that differ in case only: they are probably meant to be one."""
    alike: dict[str, list[str]] = {}
    for name in sorted(set(types)):
        alike.setdefault(name.casefold(), []).append(name)
    return [names for names in alike.values() if len(names) > 1]

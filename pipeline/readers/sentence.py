"""The sentences that every reader yields, and the report that it fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span, TagScheme

LONGEST_RAW_SENTENCE = 1 << 20
"""Maximum number of characters of a sentence. Even a packed file of kilobytes may hold one that exceeds any memory."""
LINES_KEPT = 5
"""Number of line numbers that a report keeps for each reason."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a raw file, independent of tag schemes and file formats."""

    characters: tuple[str, ...]
    """One Unicode code point each: readers split longer tokens (``readers.entities.characters``)."""
    entities: tuple[Span, ...]
    """Gold entities, half-open over ``characters``, sorted, never overlapping."""
    line: int
    """1-based line of the raw file on which the sentence starts; in a JSON array or a Parquet file, the 1-based row."""

    @property
    def text(self) -> str:
        """The text of the sentence."""
        return "".join(self.characters)


def check_length(n_characters: int, path: Path | str, line: int) -> None:
    """Raise InputDataError, with the last ``line`` read, for a sentence of over ``LONGEST_RAW_SENTENCE`` characters."""
    if n_characters > LONGEST_RAW_SENTENCE:
        raise InputDataError(
            f"{at_line(path, line)}: a sentence of over {LONGEST_RAW_SENTENCE:,} characters",
            next_step="say where sentences end: a blank line, or another number of the sentence",
        )


@dataclass(slots=True)
class ReadReport:
    """Report about a file, filled while the file is read and complete when its sentences are exhausted."""

    path: Path
    format: str
    """Name of the format in the registry."""
    scheme: TagScheme | None = None
    """The tag scheme; None if the file has spans instead of tags."""
    n_sentences: int = 0
    n_characters: int = 0
    n_entities: int = 0
    types: set[str] = field(default_factory=set)
    """Entity types that occur."""
    repairs: dict[str, int] = field(default_factory=dict)
    """Number of repairs, by reason."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Number of items left out, by reason."""
    first_lines: dict[str, list[int]] = field(default_factory=dict)
    """For each reason in ``repairs`` or ``skipped``, the first few lines of the raw file on which it occurs."""
    notes: list[str] = field(default_factory=list)
    """Decisions about the whole file that a user should know about."""

    def repair(self, reason: str, line: int) -> None:
        """Count one repair."""
        self.repairs[reason] = self.repairs.get(reason, 0) + 1
        self._remember(reason, line)

    def skip(self, reason: str, line: int) -> None:
        """Count one item left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        self._remember(reason, line)

    def count(self, sentence: Sentence) -> None:
        """Count one sentence that was read."""
        self.n_sentences += 1
        self.n_characters += len(sentence.characters)
        self.n_entities += len(sentence.entities)
        self.types.update(entity.label for entity in sentence.entities)

    def summary(self) -> str:
        """Summarize what was repaired or left out, with the first line of each reason; empty if nothing was."""
        counts = [*self.repairs.items(), *self.skipped.items()]
        return ", ".join(f"{n} {reason} (first in line {self.first_lines[reason][0]})" for reason, n in counts)

    def _remember(self, reason: str, line: int) -> None:
        lines = self.first_lines.setdefault(reason, [])
        if len(lines) < LINES_KEPT:
            lines.append(line)


def types_alike(types: Iterable[str]) -> list[list[str]]:
    """Group entity types that differ only in case and are therefore probably meant to be the same."""
    alike: dict[str, list[str]] = {}
    for name in sorted(set(types)):
        alike.setdefault(name.casefold(), []).append(name)
    return [names for names in alike.values() if len(names) > 1]

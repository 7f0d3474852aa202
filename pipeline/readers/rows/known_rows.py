"""Cache of the rows of a character-per-line file, so that a sentence of only known rows is read in one step.

A file has few distinct rows: the 2.2 million rows of MSRA's train file have 12,929 distinct values. Each is parsed
once; then a sentence is represented by its characters and a *code* for each tag, a single letter, with ``O`` for tags
outside entities.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from ssmi.pipeline.contract.labels import OUTSIDE, Span, TagScheme, repair_spans
from ssmi.pipeline.readers.entities.schemes import Notation, breaks_of
from ssmi.pipeline.readers.sentence import ReadReport

MAX_ROWS = 1 << 16
"""Maximum number of distinct rows that are kept; sentences with other rows are read row by row."""
LONGEST_KNOWN = 512
"""Maximum number of lines of a sentence that is read in one step; few sentences are longer."""

_RUN = re.compile(f"[^{OUTSIDE}]+")
_FIRST_CODE = 0x100


class KnownSentence(NamedTuple):
    """The rows of a sentence whose tokens are all single characters."""

    text: str
    codes: str
    """The code of each character's tag (see ``KnownRows``)."""

    def runs(self) -> Iterator[tuple[int, str]]:
        """Yield each maximal run of codes other than ``O``, with its position."""
        # Most sentences have no entity.
        if self.codes.strip(OUTSIDE):
            for run in _RUN.finditer(self.codes):
                yield run.start(), run[0]


@dataclass(slots=True)
class KnownRows:
    """The known rows of one file."""

    _codes: dict[str, str] = field(default_factory=dict)
    """Codes by normalised tag."""
    _tags: dict[str, str] = field(default_factory=dict)
    """By code, one of the tags as written that have this code; all of them are read alike."""
    # An empty line, which ends a sentence, contributes nothing.
    _rows: dict[str, str] = field(default_factory=lambda: {"": ""})
    """By line, a string of two letters: the character and the code of its tag."""

    def unknown(self, lines: Iterable[str]) -> list[str]:
        """Return the lines that are not known; none if no more rows can be learned."""
        return list(itertools.filterfalse(self._rows.__contains__, lines)) if len(self._rows) < MAX_ROWS else []

    def learn(self, line: str, token: str, tag: str, *, plain: str) -> None:
        """Add a row.

        Args:
            line: The line as written in the file. It must mean the same at every position in a sentence.
            token: The token, a single character.
            tag: The tag as written.
            plain: The normalised tag; ``O`` is outside.
        """
        code = OUTSIDE
        if plain != OUTSIDE:
            code = self._codes.setdefault(plain, chr(_FIRST_CODE + len(self._codes)))
            self._tags.setdefault(code, tag)
        self._rows[line] = token + code

    def sentence(self, lines: Sequence[str]) -> KnownSentence | None:
        """Return the sentence of the lines; None if a line is unknown, all are empty, or there are too many."""
        if len(lines) > LONGEST_KNOWN:
            return None
        try:
            rows = "".join(map(self._rows.__getitem__, lines))
        except KeyError:
            return None
        return KnownSentence(rows[::2], rows[1::2]) if rows else None

    def tags(self, run: str) -> list[str]:
        """Return the tags of a run of codes, in a spelling that occurs in the file."""
        return [self._tags[code] for code in run]


def read_known(
    sentence: KnownSentence, rows: KnownRows, *, notation: Notation, line: int, report: ReadReport
) -> tuple[Span, ...]:
    """Return the entities of a sentence like ``schemes.read_tags``; ``line`` is the line of its first row."""
    entities: list[Span] = []
    for place, run in sentence.runs():
        tags = tuple(notation.plain[tag] for tag in rows.tags(run))
        spans, breaks = _read_run(tags, notation.scheme)
        entities += (Span(place + span.start, place + span.end, span.label) for span in spans)
        if not notation.opens_with_inside:
            for index, reason in breaks:
                report.repair(reason, line + place + index)
    return tuple(entities)


@lru_cache(maxsize=4096)
def _read_run(tags: tuple[str, ...], scheme: TagScheme) -> tuple[list[Span], list[tuple[int, str]]]:
    """Read the tags between two ``O``, which no entity or break crosses. Cached, because few runs are distinct."""
    return repair_spans(tags), list(breaks_of(tags, scheme))

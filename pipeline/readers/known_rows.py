"""Rows of a character-per-line file that were read before, so that a sentence of none but these is read as one piece.

A file has few different rows: the 2.2 million of MSRA's train file are 12,929. Each is read by itself once; then a
sentence is its characters and a *code* of its tags, one letter each, in which ``O`` is what stands outside entities.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from ssmi.pipeline.contract.labels import OUTSIDE, Span, TagScheme, repair_spans
from ssmi.pipeline.readers.schemes import Notation, breaks_of
from ssmi.pipeline.readers.sentence import ReadReport

MOST_ROWS = 1 << 16
"""Different rows that are kept; in a file of more, sentences with others are read row by row."""
LONGEST_KNOWN = 512
"""Lines of a sentence that is read as one piece; few are longer."""

_RUN = re.compile(f"[^{OUTSIDE}]+")
_FIRST_CODE = 0x100


class KnownSentence(NamedTuple):
    """The rows of a sentence, all of one character."""

    text: str
    codes: str
    """The tag of each character, as ``KnownRows`` writes it."""

    def runs(self) -> Iterator[tuple[int, str]]:
        """The codes between two ``O`` or ends of the sentence, each run with its place."""
        # Most sentences have no entity.
        if self.codes.strip(OUTSIDE):
            for run in _RUN.finditer(self.codes):
                yield run.start(), run[0]


@dataclass(slots=True)
class KnownRows:
    """Learns the rows of one file."""

    _codes: dict[str, str] = field(default_factory=dict)
    """Tag → its code."""
    _tags: dict[str, str] = field(default_factory=dict)
    """Code → a tag that is read like all that have it."""
    # An empty line, which ends a sentence, adds nothing to it.
    _rows: dict[str, str] = field(default_factory=lambda: {"": ""})
    """Line → character and code of its tag, two letters in all."""

    def unknown(self, lines: Iterable[str]) -> list[str]:
        """Those of some lines that may yet be learned."""
        return list(itertools.filterfalse(self._rows.__contains__, lines)) if len(self._rows) < MOST_ROWS else []

    def learn(self, line: str, token: str, tag: str, *, plain: str) -> None:
        """Keep a row.

        Args:
            line: As it stands in the file. It must mean the same wherever in a sentence it stands.
            token: One character.
            tag: Its tag.
            plain: What the tag is read as; ``O`` is outside.
        """
        code = OUTSIDE
        if plain != OUTSIDE:
            code = self._codes.setdefault(plain, chr(_FIRST_CODE + len(self._codes)))
            self._tags.setdefault(code, tag)
        self._rows[line] = token + code

    def sentence(self, lines: Sequence[str]) -> KnownSentence | None:
        """A sentence of these lines; None where one was not learned, all are empty, or they are very many."""
        if len(lines) > LONGEST_KNOWN:
            return None
        try:
            rows = "".join(map(self._rows.__getitem__, lines))
        except KeyError:
            return None
        return KnownSentence(rows[::2], rows[1::2]) if rows else None

    def tags(self, run: str) -> list[str]:
        """The tags of a run of codes, as they are written somewhere in the file."""
        return [self._tags[code] for code in run]


def read_known(
    sentence: KnownSentence, rows: KnownRows, *, notation: Notation, line: int, report: ReadReport
) -> tuple[Span, ...]:
    """The entities of a sentence, as ``schemes.read_tags`` reads them; ``line`` is where its first row stands."""
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
    """What stands between two ``O``, beyond which no entity and no break reaches; few runs are different."""
    return repair_spans(tags), list(breaks_of(tags, scheme))

"""The tags of a file: detect their scheme, and find where they break it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line, name_hint
from ssmi.pipeline.contract.labels import INSIDE_ROLE, OUTSIDE, Span, TagScheme, repair_spans, split_tag
from ssmi.pipeline.readers.entities.spans import check_label
from ssmi.pipeline.readers.entities.tag_spelling import (
    ROLES,
    SEPARATORS,
    SPELT,
    Spelling,
    is_several,
    is_word,
    plain_tag,
)
from ssmi.pipeline.readers.sentence import ReadReport

ORPHAN_CONTINUATION = "orphan-continuation"
UNCLOSED_ENTITY = "unclosed-entity"

_MAX_DIGITS = 9
_BIOES_ROLE = {"L": "E", "U": "S"}


@dataclass(frozen=True, slots=True)
class Notation:
    """The notation of a file's tags."""

    scheme: TagScheme
    plain: Mapping[str, str]
    """The normalised tag of the scheme, by tag as written."""
    opens_with_inside: bool
    """Whether the tags are IOB1: entities begin with I-, and with B- only directly after one of the same type."""


class TagCensus:
    """Collects every tag of a file once, in order, refuses invalid tags, and determines the notation."""

    def __init__(self, path: Path | str, *, labels: Sequence[str] | None = None) -> None:
        """Start without tags.

        Args:
            path: The file, for messages.
            labels: The names of tags by number, for files with numbers as tags.
        """
        self._path = path
        self._labels = labels
        self._plain: dict[str, str] = {}
        self._spelt: dict[Spelling, tuple[str, int]] = {}  # the first tag of each spelling, and its line
        self._first_lines: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._before = OUTSIDE
        self._n_opened_inside = self._n_parting = 0

    def add(self, tag: str, line: int) -> None:
        """Count a tag; raises InputDataError if it cannot be read as ``O`` or ``<role>-<type>``."""
        plain = self._plain.get(tag)
        if plain is None:
            plain = self._plain[tag] = self._read(tag, line)
            self._first_lines.setdefault(plain, line)
        self._count(plain, times=1)

    def seen(self, tag: str) -> str | None:
        """Return the normalised form of a tag that was added; None for any other tag."""
        return self._plain.get(tag)

    def add_run(self, tags: Iterable[str], *, times: int) -> None:
        """Count ``times`` occurrences of a run of tags between ``O`` or sentence ends; all tags were added before."""
        self._before = OUTSIDE
        for tag in tags:
            self._count(self._plain[tag], times=times)
        self._before = OUTSIDE

    def _count(self, plain: str, *, times: int) -> None:
        self._counts[plain] += times
        if plain != OUTSIDE or self._before != OUTSIDE:
            follows = self._before != OUTSIDE and self._before[2:] == plain[2:]
            self._n_opened_inside += times * (plain[0] == "I" and not follows)
            self._n_parting += times * (plain[0] == "B" and follows)
            self._before = plain

    def end(self) -> None:
        """Mark the end of a sentence."""
        self._before = OUTSIDE

    def notation(self, report: ReadReport) -> Notation:
        """Determine the notation, and write the scheme and a note for each unusual spelling into ``report``.

        The scheme is BIO, BMES or BIOES, depending on the roles that occur. Files without M and I fit several schemes:
        with E or S they are read as BMES, otherwise as BIO. BILOU is BIOES with other letters. A file in which entities
        begin with I-, and with B- only directly after an entity of the same type, is IOB1.

        Raises:
            InputDataError: Schemes are mixed (the message names the first line of each), spellings contradict each
                other, or tags are numbers without names.
        """
        self._check_spellings()
        counts: Counter[str] = Counter()
        lines: dict[str, int] = {}
        for tag, line in self._first_lines.items():
            role = split_tag(tag)[0]
            counts[role] += self._counts[tag]
            lines[role] = min(line, lines.get(role, line))
        plain = self._plain
        if lines.keys() & _BIOES_ROLE.keys():
            self._as_bioes(counts, lines)
            plain = {tag: _BIOES_ROLE.get(as_read[0], as_read[0]) + as_read[1:] for tag, as_read in plain.items()}
            report.notes.append("the tags are BILOU (BIOLU): read as BIOES (L- as E-, U- as S-)")
        for spelling, (tag, line) in self._spelt.items():
            if spelling:
                report.notes.append(f"{SPELT[spelling]}; the first is {tag} in line {line}")
        scheme = report.scheme = self._scheme(counts, lines)
        opens_with_inside = scheme == "BIO" and self._n_opened_inside > 0 and counts["B"] == self._n_parting
        if opens_with_inside:
            report.notes.append("entities begin with I-, and with B- only directly after one of their type (IOB1)")
        return Notation(scheme, plain, opens_with_inside)

    def _scheme(self, counts: Counter[str], lines: dict[str, int]) -> TagScheme:
        if "M" in lines and "I" in lines:
            raise self._mixture("M", "I", lines)
        if "I" not in lines:
            return "BMES" if lines.keys() & set("MES") else "BIO"
        closing = [role for role in "ES" if role in lines]
        if not closing:
            return "BIO"
        # In BIOES every B has an E, so far fewer E than B means some foreign tags in a BIO file.
        if counts["E"] == 0 or counts["E"] * 2 < counts["B"]:
            raise self._mixture("I", min(closing, key=lambda role: lines[role]), lines)
        return "BIOES"

    def _as_bioes(self, counts: Counter[str], lines: dict[str, int]) -> None:
        """Rename the roles of BILOU; raise InputDataError if roles of other schemes occur too."""
        mixed = next((role for role in "MES" if role in lines), None)
        if mixed is not None:
            raise self._mixture(min(lines.keys() & _BIOES_ROLE.keys()), mixed, lines)
        for role, other in _BIOES_ROLE.items():
            if role in lines:
                counts[other], lines[other] = counts.pop(role), lines.pop(role)

    def _read(self, tag: str, line: int) -> str:
        """Read a tag that occurs for the first time; return it as ``O`` or ``<role>-<type>``."""
        where = at_line(self._path, line)
        if tag.isdecimal() and (self._labels is not None or tag != "0"):
            return self._named(tag, line, where)
        if not is_word(tag):
            raise InputDataError(
                f"{where}: {tag[:40]!r} is not a tag: it holds white space or a control character",
                next_step="put one token and its tag on each line, the tag in the last column",
            )
        if is_several(tag):
            raise InputDataError(
                f"{where}: {tag[:40]!r} is several tags in one",
                next_step="write nested entities as JSON lines with offsets (the longer of two stays), or one tag each",
            )
        read = plain_tag(tag)
        if read is None:
            raise self._no_tag(tag, where)
        plain, spelling = read
        if tag != OUTSIDE:
            self._spelt.setdefault(spelling, (tag, line))
        return plain

    def _named(self, tag: str, line: int, where: str) -> str:
        if self._labels is None:
            raise _number(tag, where)
        # The length is checked first, because Python refuses to parse integers of more than 4300 digits.
        if len(tag) > _MAX_DIGITS or int(tag) >= len(self._labels):
            raise InputDataError(
                f"{where}: tag {tag[:40]}, but `labels` names {len(self._labels)} (0 to {len(self._labels) - 1})",
                next_step="name every tag in dataset.yaml, in the order of their numbers",
            )
        name = self._labels[int(tag)]
        check_label(name, where=where)
        read = plain_tag(name)
        if read is None:
            raise self._no_tag(name, where)
        return read[0]

    def _no_tag(self, tag: str, where: str) -> InputDataError:
        if len(tag.rstrip(SEPARATORS)) == 1 and tag[0] in ROLES:
            return InputDataError(f"{where}: tag {tag!r} names no entity type", next_step="write it as in B-ORG")
        return InputDataError(
            f"{where}: {tag[:40]!r} is not a tag (O, or one of B I M E S, a dash and an entity type); "
            f"{name_hint(tag, {OUTSIDE, *self._first_lines})}",
            next_step="put one token and its tag on each line, the tag in the last column",
        )

    def _check_spellings(self) -> None:
        """Raise InputDataError for tags that could be read in two ways."""
        last = self._spelt.get("suffix")
        first = next((self._spelt[kind] for kind in ("", "case", "separator") if kind in self._spelt), None)
        if last is not None and first is not None:
            plain = self._plain[last[0]]
            raise InputDataError(
                f"{at_line(self._path, last[1])}: {last[0]!r} is not a tag beside {first[0]!r} "
                f"({at_line(self._path, first[1])}); did you mean {plain!r}?",
                next_step="write every tag in one form, as in B-ORG",
            )
        if self._plain.keys() == {"0"} and self._labels is None:
            raise _number("0", at_line(self._path, self._first_lines[OUTSIDE]))

    def _mixture(self, left: str, right: str, lines: dict[str, int]) -> InputDataError:
        first, second = sorted((left, right), key=lambda role: lines[role])
        return InputDataError(
            f"{at_line(self._path, lines[first])} has {first}- and {at_line(self._path, lines[second])} has {second}-: "
            "tag schemes are mixed",
            next_step="write the whole file in one of BIO (B I), BMES (B M E S) or BIOES (B I E S)",
        )


def _number(tag: str, where: str) -> InputDataError:
    return InputDataError(
        f"{where}: tag {tag} is a number; tags are read by name, not by number",
        next_step="write the names in their order into dataset.yaml beside the file, for example "
        "labels: [O, B-PER, I-PER, B-LOC, I-LOC]",
    )


def read_tags(tags: Sequence[str], *, notation: Notation, line: int, step: int, report: ReadReport) -> tuple[Span, ...]:
    """Convert the gold tags of one sentence to entities; every break of the scheme is counted in ``report``.

    IOB1 cannot be broken.

    Args:
        tags: The tags as written.
        notation: The notation of the file.
        line: The line of the first tag.
        step: The number of lines from each tag to the next: 1, or 0 if the sentence is on one line.
        report: The report in which breaks are counted.

    Returns:
        The entities.
    """
    plain = [notation.plain[tag] for tag in tags]
    if plain.count(OUTSIDE) == len(plain):
        return ()
    if not notation.opens_with_inside:
        for index, reason in breaks_of(plain, notation.scheme):
            report.repair(reason, line + index * step)
    return tuple(repair_spans(plain))


def breaks_of(tags: Sequence[str], scheme: TagScheme) -> Iterator[tuple[int, str]]:
    """Yield the position and the reason of every break of the scheme in normalised tags."""
    for index, (left, right) in enumerate(pairwise((OUTSIDE, *tags, OUTSIDE))):
        if left == right == OUTSIDE:
            continue
        unclosed, orphan = _faults(left, right, scheme)
        if unclosed:
            yield index - 1, UNCLOSED_ENTITY
        if orphan:
            yield index, ORPHAN_CONTINUATION


@lru_cache(maxsize=4096)
def _faults(left: str, right: str, scheme: TagScheme) -> tuple[bool, bool]:
    """Return whether ``left`` leaves an entity unclosed, and whether ``right`` continues an entity that is not open."""
    left_role, left_label = split_tag(left)
    right_role, right_label = split_tag(right)
    inside = INSIDE_ROLE[scheme]
    opened = left_role in ("B", inside)
    continuing = right_role in (inside, "E")
    joined = opened and continuing and left_label == right_label
    return scheme != "BIO" and opened and not joined, continuing and not joined

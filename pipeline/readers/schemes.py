"""Which tag scheme a file is written in, and where its tags break that scheme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from pipeline.contract.errors import InputDataError, at_line, nearest
from pipeline.contract.labels import INSIDE_ROLE, OUTSIDE, Span, TagScheme, repair_spans, split_tag
from pipeline.readers.sentence import ReadReport

ORPHAN_CONTINUATION = "orphan-continuation"
UNCLOSED_ENTITY = "unclosed-entity"
_ROLES = "BIMESLU"


class TagCensus:
    """Sees every tag of a file once, refuses malformed ones, then names the scheme."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first_lines: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def add(self, tag: str, line: int) -> None:
        """Count a tag; raises InputDataError where it is neither ``O`` nor ``<role>-<type>``."""
        if tag not in self._first_lines:
            self._check(tag, line)
            self._first_lines[tag] = line
        self._counts[tag] += 1

    def scheme(self) -> TagScheme:
        """BIO, BMES or BIOES, from the roles seen.

        Files without M and I fit several schemes: with E or S they are BMES, else BIO. IOB1, where entities begin
        with I-, cannot be told from BIO with stray I-: its entities come out right, but each is counted as a repair.

        Raises InputDataError for BIOLU and for mixtures, naming the first line of each party.
        """
        counts: Counter[str] = Counter()
        lines: dict[str, int] = {}
        for tag, line in self._first_lines.items():
            role = split_tag(tag)[0]
            counts[role] += self._counts[tag]
            lines[role] = min(line, lines.get(role, line))
        for role in "UL":
            if role in lines:
                raise InputDataError(
                    f"{at_line(self._path, lines[role])}: {role}- belongs to BIOLU, which is not read",
                    next_step="write L- as E- and U- as S- to make it BIOES",
                )
        if "M" in lines and "I" in lines:
            raise self._mixture("M", "I", lines)
        if "I" not in lines:
            return "BMES" if lines.keys() & set("MES") else "BIO"
        closing = [role for role in "ES" if role in lines]
        if not closing:
            return "BIO"
        # In BIOES every B has its E, so far fewer E than B means some foreign tags in a BIO file.
        if counts["E"] == 0 or counts["E"] * 2 < counts["B"]:
            raise self._mixture("I", min(closing, key=lambda role: lines[role]), lines)
        return "BIOES"

    def _check(self, tag: str, line: int) -> None:
        role, dash, label = tag.partition("-")
        if tag == OUTSIDE or (len(role) == 1 and role in _ROLES and label):
            return
        where = at_line(self._path, line)
        if len(role) == 1 and role in _ROLES:
            raise InputDataError(f"{where}: tag {tag!r} names no entity type", next_step="write it as in B-ORG")
        capital = role.upper() + dash + label
        if capital == OUTSIDE or (capital[0:1] in _ROLES and capital[1:2] == "-" and label):
            hint = f"did you mean {capital!r}?"
        else:
            hint = nearest(tag, {OUTSIDE, *self._first_lines})
        raise InputDataError(
            f"{where}: {tag!r} is not a tag (O, or one of B I M E S, a dash and an entity type); {hint}",
            next_step="put one token and its tag on each line, the tag in the last column",
        )

    def _mixture(self, left: str, right: str, lines: dict[str, int]) -> InputDataError:
        first, second = sorted((left, right), key=lambda role: lines[role])
        return InputDataError(
            f"{at_line(self._path, lines[first])} has {first}- and {at_line(self._path, lines[second])} has {second}-: "
            "tag schemes are mixed",
            next_step="write the whole file in one of BIO (B I), BMES (B M E S) or BIOES (B I E S)",
        )


def read_tags(tags: Sequence[str], *, scheme: TagScheme, line: int, step: int, report: ReadReport) -> tuple[Span, ...]:
    """Gold tags of one sentence → entities; every break of the scheme is counted in ``report``.

    ``line`` is where the first tag stands, ``step`` how many lines further each next one does (1, or 0 when the
    sentence is on one line).
    """
    if tags.count(OUTSIDE) == len(tags):
        return ()
    for index, reason in _breaks(tags, scheme):
        report.repair(reason, line + index * step)
    return tuple(repair_spans(tags))


def _breaks(tags: Sequence[str], scheme: TagScheme) -> Iterator[tuple[int, str]]:
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
    """Whether an entity stays unclosed after ``left``, and whether ``right`` continues what is not open."""
    left_role, left_label = split_tag(left)
    right_role, right_label = split_tag(right)
    inside = INSIDE_ROLE[scheme]
    opened = left_role in ("B", inside)
    continuing = right_role in (inside, "E")
    joined = opened and continuing and left_label == right_label
    return scheme != "BIO" and opened and not joined, continuing and not joined

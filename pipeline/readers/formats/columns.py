"""Character-per-line files: the token in the first column, its tag in the last, in any tag scheme.

The LatticeLSTM family (Resume, MSRA), CoNLL-like files with more columns, files with a word a row, and Weibo's
original form, where each character carries its place in the segmented word (``字0``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.readers.characters import TokenCensus, in_characters
from ssmi.pipeline.readers.lines import numbered_lines
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.schemes import Notation, TagCensus, plain_tag, read_tags
from ssmi.pipeline.readers.sentence import ReadReport, Sentence, check_length

DOCSTART = "-DOCSTART-"
COMMENT = "comment"
DESTROYED_EMOJI = "destroyed-emoji"
MISSING_POSITION = "token-without-position"
ENDING_MARKS = frozenset("。！？；!?;…")
CLOSING_MARKS = frozenset("”’」』）》】\"')")
LONGEST_UNBROKEN = 512
"""A file with no blank line but the last holds one sentence if it has no more rows than this."""

_FIELD = re.compile(r"#\s*\S+\s*=\s")
_POSITION = re.compile(r"(.)([0-9]{1,2})", re.DOTALL)
_EMOJI = re.compile("\ufffd\ufffd[0-9]{0,2}")
_NEARLY_ALL = 0.95


class ColumnLine(NamedTuple):
    """One token and its tag; an empty tag marks a line that holds no token: -DOCSTART- or a comment."""

    token: str
    tag: str
    second: str = ""
    """What stands between the first column and the last, up to the next separator; nothing in a file of two columns."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first pass finds out about the whole file."""

    notation: Notation
    is_numbered: bool
    """The first column counts the tokens of each sentence, as in CoNLL-U; the token stands in the second."""
    has_positions: bool
    """Tokens carry Weibo's position digits."""
    has_breaks: bool
    """Blank lines separate the sentences."""
    writes_blanks: bool
    """Blanks between Latin words are separate rows."""


def read_columns(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentences of a character-per-line file; reads it twice, in constant memory.

    Blank lines (spaces and tabs count as blank) end a sentence, and so does -DOCSTART-. A file that has none between
    its rows, and either none at its end or more than ``LONGEST_UNBROKEN`` rows, is cut after 。！？；… (and closing
    quotes after them) wherever no entity runs on; ``report.notes`` says so. Tokens of several characters are cut into
    characters. Comments (``# id = 1``) are lines before a sentence that begin with ``#`` and a blank and end in no tag.

    Raises:
        InputDataError: With ``file:line`` for rows without a tag or token, texts in place of tokens, unknown tags
            and mixed schemes.
    """
    layout = survey(path, options, report)
    if layout.is_numbered:
        report.notes.append("the first column counts the rows of each sentence: tokens are read from the second")
    if layout.has_positions:
        report.notes.append("each token carries its position in the word (字0): the digits are dropped")
    if not layout.has_breaks:
        report.notes.append("no blank lines between rows: sentences end after 。！？；… where no entity runs on")
    for line, tokens, tags in _group(_rows(path, options, is_numbered=layout.is_numbered), layout, report):
        if layout.has_positions:
            tokens = [_bare(token, line=line + index, report=report) for index, token in enumerate(tokens)]
        spans = read_tags(tags, notation=layout.notation, line=line, step=1, report=report)
        yield in_characters(tokens, spans, line=line, step=1, report=report, writes_blanks=layout.writes_blanks)


def survey(path: Path, options: ReadOptions, report: ReadReport, *, is_numbered: bool = False) -> Layout:
    """The first pass: checks every row and tells scheme, position digits and sentence breaks."""
    census, token_census = TagCensus(path, labels=options.labels), TokenCensus(path)
    n_rows = n_positions = n_broken = n_numbered = place = 0
    starts_at_zero = breaks_inside = breaks_after = False
    for number, row in _rows(path, options, is_numbered=is_numbered):
        if row is None or not row.tag:
            breaks_after = n_rows > 0
            census.end()
            token_census.end()
            place = 0
            continue
        breaks_inside |= breaks_after
        breaks_after = False
        census.add(row.tag, number)
        token_census.add(row.token, number)
        n_rows += 1
        place += 1
        n_numbered += bool(row.second) and row.token == str(place)
        if len(row.token) > 1:
            position = _POSITION.fullmatch(row.token)
            n_positions += position is not None
            starts_at_zero |= position is not None and position[2] == "0"
            n_broken += _EMOJI.fullmatch(row.token) is not None
    if not is_numbered and n_numbered == n_rows > 1:
        # The censuses have seen numbers for tokens: everything is asked again of the second column.
        return survey(path, options, report, is_numbered=True)
    token_census.finish()
    return Layout(
        notation=census.notation(report),
        is_numbered=is_numbered,
        # A destroyed emoji may have lost its position digit: it says nothing of the others.
        has_positions=starts_at_zero and n_positions >= _NEARLY_ALL * (n_rows - n_broken),
        has_breaks=breaks_inside or (breaks_after and n_rows <= LONGEST_UNBROKEN),
        writes_blanks=token_census.writes_blanks,
    )


@lru_cache(maxsize=1 << 16)
def split_row(line: str) -> ColumnLine | None:
    """Split one line into token and tag; None when it is blank.

    Columns are separated by tabs where there is one after the first character, else by spaces, so the token itself
    may be a space, a tab, U+3000 or U+00A0.

    Raises:
        ValueError: Telling what is missing.
    """
    kept = line.rstrip(" \t")
    if not kept:
        return None
    if kept.startswith(DOCSTART):
        return ColumnLine(DOCSTART, "")
    separator = "\t" if kept.find("\t", 1) > 0 else " "
    end = kept.find(separator, 1)
    if end < 0:
        if kept[0] in " \t":
            raise ValueError(f"a tag {kept.strip()!r} without a token")
        raise ValueError("one column, where a token and a tag are expected")
    if kept[0] == " " and separator == " " and end > 1:
        raise ValueError("the line starts with a separator")
    between = kept[end : kept.rfind(separator)].strip(separator)
    return ColumnLine(kept[:end], kept[kept.rfind(separator) + 1 :], between.partition(separator)[0])


def _rows(path: Path, options: ReadOptions, *, is_numbered: bool) -> Iterator[tuple[int, ColumnLine | None]]:
    inside = False
    for number, line in numbered_lines(path, encoding=options.encoding):
        if not inside and _is_comment(line):
            yield number, ColumnLine(COMMENT, "")
            continue
        try:
            row = split_row(line)
        except ValueError as error:
            raise InputDataError(
                f"{at_line(path, number)}: {error}",
                next_step="write: token, a space or tab, tag (for example 京 B-LOC)",
            ) from None
        inside = row is not None and bool(row.tag)
        yield number, row._replace(token=row.second, second="") if is_numbered and row and row.tag else row


def _is_comment(line: str) -> bool:
    """Whether a line before a sentence is a comment; ``# O`` is a row, and so is ``# SYM O``."""
    if line[:2] not in ("# ", "#\t"):
        return False
    columns = line.split()
    tag = plain_tag(columns[-1])
    # in CoNLL-U's `# sent_id = 0` the last column only looks like a tag
    return len(columns) > 1 and (tag is None or _FIELD.match(line) is not None or (tag[1] != "" and len(columns) > 2))


def _group(
    rows: Iterator[tuple[int, ColumnLine | None]], layout: Layout, report: ReadReport
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield ``(first line, tokens, tags)`` for each sentence; its rows stand on consecutive lines."""
    tokens: list[str] = []
    tags: list[str] = []
    start = n_characters = 0
    for number, row in rows:
        ends = row is None or not row.tag
        if tokens and (ends or (not layout.has_breaks and row is not None and _ends_before(row, tokens, layout))):
            yield start, tokens, tags
            tokens, tags = [], []
        if row is None:
            continue
        if not row.tag:
            report.skip("docstart" if row.token == DOCSTART else COMMENT, number)
            continue
        if not tokens:
            start = number
        n_characters = len(row.token) + (n_characters if tokens else 0)
        check_length(n_characters, report.path, number)
        tokens.append(row.token)
        tags.append(row.tag)
    if tokens:
        yield start, tokens, tags


def _ends_before(row: ColumnLine, tokens: list[str], layout: Layout) -> bool:
    """Whether a sentence of an unbroken file ends between its ``tokens`` and ``row``."""

    def first(token: str) -> str:
        return token[0] if layout.has_positions else token

    token = first(row.token)
    if layout.notation.plain[row.tag][0] in "IME" or token in ENDING_MARKS or token in CLOSING_MARKS:
        return False
    for before in reversed(tokens):
        if first(before) not in CLOSING_MARKS:
            return first(before) in ENDING_MARKS
    return False


def _bare(token: str, *, line: int, report: ReadReport) -> str:
    """A token of Weibo's original form without its position."""
    if _EMOJI.fullmatch(token):
        report.repair(DESTROYED_EMOJI, line)
        return "\ufffd"
    position = _POSITION.fullmatch(token)
    if position is None:
        report.repair(MISSING_POSITION, line)
        return token
    return position[1]

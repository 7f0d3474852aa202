"""Character-per-line files: the token in the first column and its tag in the last, in any tag scheme.

The format of the LatticeLSTM family (Resume, MSRA), CoNLL-like files with more columns, files with one word per row,
and Weibo's original form, in which each character carries its position in the segmented word (``字0``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ssmi.pipeline.readers.entities.characters import TokenCensus, in_characters
from ssmi.pipeline.readers.entities.schemes import Notation, TagCensus, read_tags
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.rows.column_rows import COMMENT, DOCSTART, ColumnLine, rows_of, split_row, stretches
from ssmi.pipeline.readers.rows.known_rows import KnownRows, KnownSentence, read_known
from ssmi.pipeline.readers.sentence import ReadReport, Sentence, check_length

ENDINGS = (".bmes", ".bio", ".bioes", ".conll")
"""File name endings of this format."""
DESTROYED_EMOJI = "destroyed-emoji"
MISSING_POSITION = "token-without-position"
ENDING_MARKS = frozenset("。！？；!?;…")
CLOSING_MARKS = frozenset("”’」』）》】\"')")
LONGEST_UNBROKEN = 512
"""Maximum number of rows of a file that counts as one sentence although its only blank line is the last line."""

_POSITION = re.compile(r"(.)([0-9]{1,2})", re.DOTALL)
_EMOJI = re.compile("\ufffd\ufffd[0-9]{0,2}")
_NEARLY_ALL = 0.95
_MAX_RUNS = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """Properties of the whole file, determined by the first pass."""

    notation: Notation
    is_numbered: bool
    """Whether the first column counts the tokens of each sentence, as in CoNLL-U, and the second holds the token."""
    has_positions: bool
    """Whether tokens carry Weibo's position digits."""
    has_breaks: bool
    """Whether blank lines separate the sentences."""
    writes_blanks: bool
    """Whether blanks between Latin words are separate rows."""
    known: KnownRows
    """The rows that mean the same at every position."""

    @property
    def is_plain(self) -> bool:
        """Whether known rows between two empty lines form exactly one sentence, with unchanged tokens."""
        return self.has_breaks and not self.has_positions and not self.is_numbered


def read_columns(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentences of a character-per-line file; reads it twice, in constant memory.

    Blank lines (spaces and tabs count as blank) and -DOCSTART- end a sentence. A file without blank lines between its
    rows, and either without one at its end or with more than ``LONGEST_UNBROKEN`` rows, is cut after 。！？；… (and
    closing quotes after them) wherever no entity continues, with a note in ``report``. Tokens of several characters are
    split into characters. Comments (``# id = 1``) are lines before a sentence that begin with ``#`` and a blank and do
    not end in a tag.

    Raises:
        InputDataError: With ``file:line`` for rows without a tag or token, texts instead of tokens, unknown tags and
            mixed schemes.
    """
    layout = survey(path, options, report)
    if layout.is_numbered:
        report.notes.append("the first column counts the rows of each sentence: tokens are read from the second")
    if layout.has_positions:
        report.notes.append("each token carries its position in the word (字0): the digits are dropped")
    if not layout.has_breaks:
        report.notes.append("no blank lines between rows: sentences end after 。！？；… where no entity runs on")
    for line, rows in _sentences(path, options, layout, report):
        if isinstance(rows, KnownSentence):
            spans = read_known(rows, layout.known, notation=layout.notation, line=line, report=report)
            yield Sentence(tuple(rows.text), spans, line)
            continue
        tokens, tags = rows
        if layout.has_positions:
            tokens = [_bare(token, line=line + index, report=report) for index, token in enumerate(tokens)]
        spans = read_tags(tags, notation=layout.notation, line=line, step=1, report=report)
        yield in_characters(tokens, spans, line=line, step=1, report=report, writes_blanks=layout.writes_blanks)


def survey(path: Path, options: ReadOptions, report: ReadReport, *, is_numbered: bool = False) -> Layout:
    """Do the first pass: check every row, and detect tag notation, position digits and sentence breaks."""
    census, token_census = TagCensus(path, labels=options.labels), TokenCensus(path)
    known = KnownRows()
    runs: Counter[str] = Counter()
    n_rows = n_positions = n_broken = n_numbered = place = 0
    starts_at_zero = breaks_inside = breaks_after = False
    for first, lines in stretches(path, encoding=options.encoding):
        sentence = None
        # With a place other than 0, the stretch continues a sentence.
        if place == 0 and not lines[-1] and not is_numbered:
            sentence = known.sentence(lines)
            if sentence is None and _learn(lines, known, census):
                sentence = known.sentence(lines)
        if sentence is not None:
            breaks_inside |= breaks_after
            breaks_after = True
            runs.update(run for _, run in sentence.runs())
            if len(runs) > _MAX_RUNS:
                _count_runs(runs, known, census)
            token_census.add_sentence(sentence.text)
            n_rows += len(sentence.text)
            continue
        for number, row in rows_of(path, first, lines, is_inside=place > 0, is_numbered=is_numbered):
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
    _count_runs(runs, known, census)
    if not is_numbered and n_numbered == n_rows > 1:
        # The censuses have counted numbers as tokens: repeat the pass with tokens from the second column.
        return survey(path, options, report, is_numbered=True)
    token_census.finish()
    return Layout(
        notation=census.notation(report),
        is_numbered=is_numbered,
        # A destroyed emoji may have lost its position digit, so it is not counted.
        has_positions=starts_at_zero and n_positions >= _NEARLY_ALL * (n_rows - n_broken),
        has_breaks=breaks_inside or (breaks_after and n_rows <= LONGEST_UNBROKEN),
        writes_blanks=token_census.writes_blanks,
        known=known,
    )


def _count_runs(runs: Counter[str], known: KnownRows, census: TagCensus) -> None:
    for run, times in runs.items():
        census.add_run(known.tags(run), times=times)
    runs.clear()


def _learn(lines: Sequence[str], known: KnownRows, census: TagCensus) -> bool:
    """Learn rows of one character whose tag was seen; return False at a row that must be read individually.

    Rows of blanks must be read individually too, as must rows that could mean something else at the start of a
    sentence (comments) or if the first column counts tokens.
    """
    for line in known.unknown(lines):
        try:
            row = split_row(line)
        except ValueError:
            return False  # refused when it is read individually
        plain = census.seen(row.tag) if row is not None and len(row.token) == 1 else None
        if row is None or plain is None or row.token in " \xa0" or line[:2] in ("# ", "#\t"):
            return False
        if row.second and row.token.isdecimal():
            return False
        known.learn(line, row.token, row.tag, plain=plain)
    return True


class _Rows(NamedTuple):
    """The rows of any sentence, as columns."""

    tokens: list[str]
    tags: list[str]


def _sentences(
    path: Path, options: ReadOptions, layout: Layout, report: ReadReport
) -> Iterator[tuple[int, KnownSentence | _Rows]]:
    """Yield the line of the first row, and the rows, of each sentence; the rows are on consecutive lines."""
    tokens: list[str] = []
    tags: list[str] = []
    start = n_characters = 0
    for first, lines in stretches(path, encoding=options.encoding):
        known = layout.known.sentence(lines) if layout.is_plain and not tokens and not lines[-1] else None
        if known is not None:
            yield first, known
            continue
        for number, row in rows_of(path, first, lines, is_inside=bool(tokens), is_numbered=layout.is_numbered):
            ends = row is None or not row.tag
            if tokens and (ends or (not layout.has_breaks and row is not None and _ends_before(row, tokens, layout))):
                yield start, _Rows(tokens, tags)
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
        yield start, _Rows(tokens, tags)


def _ends_before(row: ColumnLine, tokens: list[str], layout: Layout) -> bool:
    """Whether a sentence of a file without breaks ends between its ``tokens`` and ``row``."""

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
    """Remove the position from a token of Weibo's original form."""
    if _EMOJI.fullmatch(token):
        report.repair(DESTROYED_EMOJI, line)
        return "\ufffd"
    position = _POSITION.fullmatch(token)
    if position is None:
        report.repair(MISSING_POSITION, line)
        return token
    return position[1]

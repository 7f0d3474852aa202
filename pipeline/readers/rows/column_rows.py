"""The lines of a character-per-line file: each holds a token and its tag, a comment or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.readers.entities.tag_spelling import plain_tag
from ssmi.pipeline.readers.raw.lines import numbered_blocks, stray_return
from ssmi.pipeline.readers.rows.fields import show
from ssmi.pipeline.readers.rows.known_rows import LONGEST_KNOWN

DOCSTART = "-DOCSTART-"
COMMENT = "comment"

_OTHER_SEPARATORS: Mapping[str, str] = {
    "\u3000": "U+3000, a full-width space,",
    "\xa0": "U+00A0, a no-break space,",
    ",": "a comma",
    "，": "a full-width comma",
    ";": "a semicolon",
    "；": "a full-width semicolon",
    "|": "a bar",
    ":": "a colon",
    "\\t": "a backslash and a t, not a tab,",
}
"""Characters that may stand by mistake between a token and its tag, and their names in messages."""
_FIELD = re.compile(r"#\s*\S+\s*=\s")


class ColumnLine(NamedTuple):
    """A token and its tag; an empty tag marks a line without a token: -DOCSTART- or a comment."""

    token: str
    tag: str
    second: str = ""
    """The second column of a line of three or more columns; empty with two columns."""


@lru_cache(maxsize=1 << 16)
def split_row(line: str) -> ColumnLine | None:
    """Split a line into token and tag; None for a blank line.

    Columns are separated by tabs if there is a tab after the first character, otherwise by spaces, so the token itself
    may be a space, a tab, U+3000 or U+00A0.

    Raises:
        ValueError: The token or the tag is missing, or the line holds a carriage return after its first character; the
            message says which.
    """
    kept = line.rstrip(" \t")
    if not kept:
        return None
    if kept.find("\r", 1) > 0:
        raise ValueError("a carriage return inside the line")
    if kept.startswith(DOCSTART):
        return ColumnLine(DOCSTART, "")
    separator = "\t" if kept.find("\t", 1) > 0 else " "
    end = kept.find(separator, 1)
    if end < 0:
        if kept[0] in " \t":
            raise ValueError(f"a tag {kept.strip()!r} without a token")
        raise ValueError(f"one column {show(kept)}, where a token and a tag are expected{_other_separator(kept)}")
    if kept[0] == " " and separator == " " and end > 1:
        raise ValueError("the line starts with a separator")
    between = kept[end : kept.rfind(separator)].strip(separator)
    return ColumnLine(kept[:end], kept[kept.rfind(separator) + 1 :], between.partition(separator)[0])


def _other_separator(line: str) -> str:
    """Name the character that separates a token and a tag in place of a space or tab; empty without one."""
    for mark, name in _OTHER_SEPARATORS.items():
        token, _, tag = line.rpartition(mark)
        if token and plain_tag(tag.strip()) is not None:
            return f"; {name} separates them here"
    return ""


def stretches(path: Path, *, encoding: str | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a file in stretches, each with the number of its first line.

    A stretch ends with an empty line, at the end of the file, or after more than ``LONGEST_KNOWN`` lines.
    """
    held: list[str] = []
    for number, lines in numbered_blocks(path, encoding=encoding):
        start = 0
        for _ in range(lines.count("")):
            end = lines.index("", start) + 1
            yield number + start - len(held), held + lines[start:end]
            held = []
            start = end
        held += lines[start:]
        if len(held) > LONGEST_KNOWN:
            yield number + len(lines) - len(held), held
            held = []
    if held:
        yield number + len(lines) - len(held), held


def rows_of(
    path: Path, first: int, lines: Sequence[str], *, is_inside: bool, is_numbered: bool
) -> Iterator[tuple[int, ColumnLine | None]]:
    """Yield the number and the content of each line; None for a blank line.

    Args:
        path: The file, for errors.
        first: The number of the first line.
        lines: The lines of a stretch, as yielded by ``stretches``.
        is_inside: Whether the line before them is a row of the same sentence.
        is_numbered: Whether the token is in the second column.

    Raises:
        InputDataError: With ``file:line`` for a row without token or tag.
    """
    for number, line in enumerate(lines, start=first):
        if not is_inside and _is_comment(line):
            yield number, ColumnLine(COMMENT, "")
            continue
        try:
            row = split_row(line)
        except ValueError as error:
            if line.find("\r", 1) > 0:
                raise stray_return(at_line(path, number)) from None
            raise InputDataError(
                f"{at_line(path, number)}: {error}",
                next_step="write: token, a space or tab, tag (for example 京 B-LOC)",
            ) from None
        is_inside = row is not None and bool(row.tag)
        yield number, row._replace(token=row.second, second="") if is_numbered and row and row.tag else row


def _is_comment(line: str) -> bool:
    """Whether a line before a sentence is a comment; ``# O`` and ``# SYM O`` are rows."""
    if line[:2] not in ("# ", "#\t"):
        return False
    columns = line.split()
    tag = plain_tag(columns[-1])
    # In CoNLL-U's `# sent_id = 0`, the last column only looks like a tag.
    return len(columns) > 1 and (tag is None or _FIELD.match(line) is not None or (tag[1] != "" and len(columns) > 2))

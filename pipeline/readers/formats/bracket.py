r"""One sentence per line with its entities in brackets; the format of the embedded sample.

An example: ``[陈思远|NAME]先生，[汉族|RACE]。``

Lines that begin with ``#`` are comments, and blank lines are ignored. A backslash makes the next character literal:
``\[ \] \| \\``, and ``\#``, white space or a byte order mark, which need it only at the start of a line. ``\n`` and
``\r`` are line ends inside a sentence. A bar outside brackets needs no backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers.entities.spans import check_label
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.lines import numbered_lines
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

ENTITY = re.compile(r"(?<!\\)\[(?:[^\[\]|\\]|\\.)+\|(?:[^\[\]|\\]|\\.)+\]")
"""Pattern of an entity, by which the format is recognised."""

_SPECIAL = "[]|\\"
_LINE_ENDS = {"n": "\n", "r": "\r"}
_Mark = tuple[int, str, bool]
"""Position in the line, character, and whether a backslash made it literal."""
_ESCAPES = str.maketrans({**{mark: "\\" + mark for mark in _SPECIAL}, "\n": "\\n", "\r": "\\r"})


class _Misplaced(Exception):
    """A syntax error, with its 0-based index in the line."""

    def __init__(self, what: str, index: int) -> None:
        super().__init__(what)
        self.index = index


def read_bracket(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each line.

    Raises:
        InputDataError: With ``file:line:column`` (both from 1) for unbalanced or nested brackets, entities without text
            or type, and stray backslashes; with ``file:line`` for invalid types.
    """
    for number, line in numbered_lines(path, encoding=options.encoding):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            characters, entities = _parse(line)
        except _Misplaced as error:
            raise InputDataError(
                f"{at_line(path, number)}:{error.index + 1}: {error}",
                next_step=r"write entities as [text|TYPE], and literal brackets, bars and backslashes as \[ \] \| \\",
            ) from None
        for entity in entities:
            check_label(entity.label, where=at_line(path, number))
        yield Sentence(tuple(characters), tuple(entities), number)


def to_bracket(sentence: Sentence) -> str:
    """Format a sentence as a readable line, from which its text and entities can be read back."""
    pieces: list[str] = []
    place = 0
    for entity in sentence.entities:
        pieces.append(_escape(sentence.characters[place : entity.start]))
        text = _escape(sentence.characters[entity.start : entity.end])
        pieces.append(f"[{text}|{_escape((entity.label,))}]")
        place = entity.end
    pieces.append(_escape(sentence.characters[place:]))
    line = "".join(pieces)
    return "\\" + line if line[:1].isspace() or line[:1] in ("#", "\ufeff") else line


def _escape(characters: tuple[str, ...]) -> str:
    return "".join(characters).translate(_ESCAPES)


def _parse(line: str) -> tuple[list[str], list[Span]]:
    characters: list[str] = []
    entities: list[Span] = []
    marks = _marks(line)
    for place, mark, literal in marks:
        if literal or mark not in "[]":
            characters.append(mark)
        elif mark == "]":
            raise _Misplaced("a closing bracket without an opening one", place)
        else:
            text, label = _entity(marks, opened=place)
            entities.append(Span(len(characters), len(characters) + len(text), label))
            characters += text
    return characters, entities


def _entity(marks: Iterator[_Mark], *, opened: int) -> tuple[list[str], str]:
    """Read up to the closing bracket of an entity; ``opened`` is the index of its opening bracket."""
    text: list[str] = []
    label: list[str] | None = None
    for place, mark, literal in marks:
        if literal or mark not in "[]|":
            (text if label is None else label).append(mark)
        elif mark == "[":
            raise _Misplaced("a bracket inside a bracket", place)
        elif mark == "]":
            if not text or not label:
                raise _Misplaced(f"an entity without {'a type' if text else 'text'}", opened)
            return text, "".join(label)
        elif label is not None:
            raise _Misplaced("a second bar in one entity", place)
        else:
            label = []
    raise _Misplaced("a bracket that is never closed", opened)


def _marks(line: str) -> Iterator[_Mark]:
    place = 0
    while place < len(line):
        mark = line[place]
        if mark != "\\":
            yield place, mark, False
            place += 1
            continue
        following = line[place + 1 : place + 2]
        if following in _LINE_ENDS:
            yield place, _LINE_ENDS[following], True
        elif following and (following in _SPECIAL or following in "#\ufeff" or following.isspace()):
            yield place, following, True
        else:
            raise _Misplaced("a backslash before nothing that needs one", place)
        place += 2

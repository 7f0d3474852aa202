"""Entities do not cut Latin words or numbers, and have no blank at an edge.

A **word** is a run of letters of the Latin, Greek and Cyrillic scripts (accents and full-width forms too), digits, and
accents that combine; between two digits one of ``. , : /`` belongs to it: ``Apple``, ``Иван``, ``5G``, ``3.14``,
``1,000``, ``10:30``. Hyphens, apostrophes and all else end a word.

``whole_words`` is what both scoring and tagging put predictions through; gold entities stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ssmi.pipeline.contract.labels import Span

FREE, JOINED, BLANK = 0, 1, 2
"""What a character is to an edge: it may begin a word or stand alone; the word before goes on in it; a blank."""

WITHOUT_BLANKS = (
    "\u2e80-\u303f\u3040-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff61-\uff9f"
    "\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"
)
"""Han, kana, bopomofo, Yi and Tangut, with their punctuation: written without blanks between words."""
_LETTERS = (
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0300-\u037d\u037f-\u0386\u0388-\u0481\u0483-\u052f"
    "\u1c80-\u1c8f\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f\u2de0-\u2dff\ua640-\ua69f\ua720-\ua7ff\uab30-\uab6f"
    "\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a"
)
"""The blocks of the three scripts and of the accents."""
_WORD_OR_BLANK = re.compile(rf"(?:[\d{_LETTERS}]|(?<=\d)[.,:/](?=\d))+|\s")


def edges(text: str) -> bytes:
    """FREE, JOINED or BLANK for each character of a sentence."""
    kinds = bytearray(len(text))
    for match in _WORD_OR_BLANK.finditer(text):
        start, end = match.span()
        if text[start].isspace():
            kinds[start] = BLANK
        else:
            kinds[start + 1 : end] = bytes([JOINED]) * (end - start - 1)
    return bytes(kinds)


def cuts_word(start: int, end: int, kinds: Sequence[int]) -> bool:
    """Whether an edge of ``[start, end)`` lies inside a word."""
    return kinds[start] == JOINED or (end < len(kinds) and kinds[end] == JOINED)


def whole_words(spans: Sequence[Span], kinds: Sequence[int]) -> list[Span]:
    """Spans, in order and without overlaps, moved to the edges of words; ``kinds`` is what ``edges`` says.

    A span that holds a part of a word gets all of it. A word of which two or more hold parts goes to the one that holds
    the most of it, of equals to the left one; the others keep what lies outside, and vanish where that is nothing. Then
    blanks at the edges are left out.
    """
    moved = [[span.start, span.end] for span in spans]
    cut = {
        _word_around(position, kinds)
        for span in spans
        for position in (span.start, span.end)
        if position < len(kinds) and kinds[position] == JOINED
    }
    for word in sorted(cut):
        held = {index: n for index, span in enumerate(spans) if (n := _overlap(span, word)) > 0}
        winner = max(held, key=lambda index: (held[index], -index))
        for index in held:
            moved[index] = _settle(spans[index], moved[index], word, wins=index == winner)
    return [
        Span(start, end, span.label)
        for span, (start, end) in zip(spans, (_trimmed(start, end, kinds) for start, end in moved), strict=True)
        if start < end
    ]


def _word_around(position: int, kinds: Sequence[int]) -> tuple[int, int]:
    """The word in which the character at ``place`` is JOINED to the one before."""
    start, end = position - 1, position + 1
    while kinds[start] == JOINED:
        start -= 1
    while end < len(kinds) and kinds[end] == JOINED:
        end += 1
    return start, end


def _overlap(span: Span, word: tuple[int, int]) -> int:
    return min(span.end, word[1]) - max(span.start, word[0])


def _settle(span: Span, moved: list[int], word: tuple[int, int], *, wins: bool) -> list[int]:
    """A span's edges, as far as they are ``moved`` already, with all of a word that it cuts or with nothing of it."""
    start, end = moved
    if wins:
        return [min(start, word[0]), max(end, word[1])]
    if span.start < word[0]:
        return [start, word[0]]
    return [word[1], end] if span.end > word[1] else [start, start]


def _trimmed(start: int, end: int, kinds: Sequence[int]) -> tuple[int, int]:
    while start < end and kinds[start] == BLANK:
        start += 1
    while start < end and kinds[end - 1] == BLANK:
        end -= 1
    return start, end

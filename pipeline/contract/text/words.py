"""Word edges: entities do not cut Latin words or numbers, and do not begin or end with a blank.

A **word** is a run of letters of the Latin, Greek and Cyrillic scripts (including accented and full-width forms),
digits and combining accents; one of ``. , : /`` between two digits belongs to it: ``Apple``, ``Иван``, ``5G``,
``3.14``, ``1,000``, ``10:30``. Hyphens, apostrophes and all other characters end a word.

Scoring and tagging both apply ``whole_words`` to predictions; gold entities stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ssmi.pipeline.contract.labels import Span

SEPARATE, CONTINUATION, BLANK = 0, 1, 2
"""Kinds of characters: begins a word or belongs to none; continues the word of the character before it; is a blank."""

WITHOUT_BLANKS = (
    "\u2e80-\u303f\u3040-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff61-\uff9f"
    "\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"
)
"""Han, kana, bopomofo, Yi and Tangut, with their punctuation: scripts without blanks between words."""
_LETTERS = (
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0300-\u037d\u037f-\u0386\u0388-\u0481\u0483-\u052f"
    "\u1c80-\u1c8f\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f\u2de0-\u2dff\ua640-\ua69f\ua720-\ua7ff\uab30-\uab6f"
    "\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a"
)
"""Character ranges of the three scripts and of the combining accents."""
_WORD_OR_BLANK = re.compile(rf"(?:[\d{_LETTERS}]|(?<=\d)[.,:/](?=\d))+|\s")


def edges(text: str) -> bytes:
    """SEPARATE, CONTINUATION or BLANK for each character of a sentence."""
    kinds = bytearray(len(text))
    for match in _WORD_OR_BLANK.finditer(text):
        start, end = match.span()
        if text[start].isspace():
            kinds[start] = BLANK
        else:
            kinds[start + 1 : end] = bytes([CONTINUATION]) * (end - start - 1)
    return bytes(kinds)


def cuts_word(start: int, end: int, kinds: Sequence[int]) -> bool:
    """Whether an edge of ``[start, end)`` lies inside a word."""
    return kinds[start] == CONTINUATION or (end < len(kinds) and kinds[end] == CONTINUATION)


def whole_words(spans: Sequence[Span], kinds: Sequence[int]) -> list[Span]:
    """Move the edges of spans to the edges of words.

    A span that covers part of a word is extended to all of it. If several spans cover parts of one word, the span that
    covers most of it gets the word, the leftmost on a tie; the others keep what lies outside the word, and are dropped
    if nothing does. Finally, blanks at the edges of spans are cut off.

    Args:
        spans: Spans in order, without overlaps.
        kinds: Kind of each character of the sentence, as ``edges`` returns it.

    Returns:
        The moved spans, in the same order.
    """
    moved = [[span.start, span.end] for span in spans]
    cut = {
        _word_around(position, kinds)
        for span in spans
        for position in (span.start, span.end)
        if position < len(kinds) and kinds[position] == CONTINUATION
    }
    for word in sorted(cut):
        held = {index: n for index, span in enumerate(spans) if (n := _overlap(span, word)) > 0}
        winner = max(held, key=lambda index: (held[index], -index))
        for index in held:
            moved[index] = _resolve_word(spans[index], moved[index], word, wins=index == winner)
    return [
        Span(start, end, span.label)
        for span, (start, end) in zip(spans, (_trimmed(start, end, kinds) for start, end in moved), strict=True)
        if start < end
    ]


def _word_around(position: int, kinds: Sequence[int]) -> tuple[int, int]:
    """Return the edges of the word around ``position``, whose character is a CONTINUATION."""
    start, end = position - 1, position + 1
    while kinds[start] == CONTINUATION:
        start -= 1
    while end < len(kinds) and kinds[end] == CONTINUATION:
        end += 1
    return start, end


def _overlap(span: Span, word: tuple[int, int]) -> int:
    return min(span.end, word[1]) - max(span.start, word[0])


def _resolve_word(span: Span, moved: list[int], word: tuple[int, int], *, wins: bool) -> list[int]:
    """Extend a span's edges, so far ``moved``, to all of a word that it cuts if it ``wins``, else exclude the word."""
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

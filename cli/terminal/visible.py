"""Text made harmless to a terminal."""

from __future__ import annotations

import unicodedata

_CONTROL_PICTURES = 0x2400
_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Unicode's bidirectional classes of characters that change the reading order."""


def visible(text: str) -> str:
    """Show control characters as pictures; surrogates and characters that change the reading order as U+FFFD."""
    return "".join(map(_visible, text))


def visible_lines(text: str) -> str:
    """``visible`` for a text of several lines, whose newlines stay."""
    return "\n".join(map(visible, text.split("\n")))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        # Unicode has pictures for the first 32 and for DEL, but none for U+0080 to U+009F, which become U+FFFD.
        code = ord(character)
        return chr(_CONTROL_PICTURES + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
    turns = unicodedata.bidirectional(character) in _TURNS
    return "\ufffd" if turns or category == "Cs" else character

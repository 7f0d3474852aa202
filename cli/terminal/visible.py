"""Text that is harmless to a terminal."""

from __future__ import annotations

import unicodedata

_CONTROL_PICTURES = 0x2400
_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Unicode's classes of characters that turn the reading order."""


def visible(text: str) -> str:
    """The text with control characters as pictures; what turns the reading order, and surrogates, as U+FFFD."""
    return "".join(map(_visible, text))


def visible_lines(text: str) -> str:
    """The same for a text of several lines, whose ends stay."""
    return "\n".join(map(visible, text.split("\n")))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        # Unicode has pictures of the first 32 and of DEL, none of U+0080 to U+009F.
        code = ord(character)
        return chr(_CONTROL_PICTURES + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
    turns = unicodedata.bidirectional(character) in _TURNS
    return "\ufffd" if turns or category == "Cs" else character

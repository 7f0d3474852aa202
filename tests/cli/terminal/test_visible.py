"""Text as it is shown on a terminal: no character moves the cursor or changes the reading direction."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.cli.terminal.visible import visible, visible_lines

BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text(st.characters(codec=None, categories=["Cc", "Cf", "Cs", "Lo", "Zs", "Zl", "So"])))
def test_each_character_becomes_one_harmless_character(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert visible(shown) == shown
    shown.encode("utf-8")
    for before, after in zip(text, shown, strict=True):
        harmful = unicodedata.category(before) in ("Cc", "Cs") or before in BIDI_CONTROLS
        assert (after != before) == harmful


def test_no_unicode_character_controls_the_terminal() -> None:
    shown = visible("".join(map(chr, range(sys.maxunicode + 1))))
    assert not {unicodedata.category(character) for character in set(shown)} & {"Cc", "Cs"}
    assert not set(shown) & set(BIDI_CONTROLS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("北\t京\r\n", "北␉京␍␊"),
        ("\x1b[31m红\x1b[0m", "␛[31m红␛[0m"),
        ("\x00\x7f\x9b2J", "␀␡\ufffd2J"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("𠮷😀 \u3000é", "𠮷😀 \u3000é"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_ends_are_kept_in_text_of_several_lines() -> None:
    assert visible_lines("error: \x1b[2J\n  next: \x9b1m\u202e") == "error: ␛[2J\n  next: \ufffd1m\ufffd"

"""Lone surrogates are replaced one by one; all other text stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.text.surrogates import replace_surrogates


@given(st.text(st.characters() | st.characters(min_codepoint=0xD7FF, max_codepoint=0xE000)))
def test_only_surrogates_are_replaced(text: str) -> None:
    expected = ["\ufffd" if 0xD800 <= ord(character) <= 0xDFFF else character for character in text]
    assert replace_surrogates(text) == "".join(expected)

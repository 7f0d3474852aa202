"""Lone surrogates: JSON can spell them, but no trie, tokenizer or table accepts them."""

from __future__ import annotations

import re

SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate by U+FFFD, which has the same length, so that positions stay."""
    return SURROGATE.sub("\ufffd", text)

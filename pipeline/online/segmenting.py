"""Segment any sentence, even with lone surrogates, which cannot occur in the files of a data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ssmi.pipeline.features.text.segmentation import Cut, segment_sentence

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Segmented:
    """A sentence cut into segments."""

    characters: Sequence[str]
    segments: Sequence[str]
    starts: Sequence[int]
    """The position of each segment's first character."""


def segment_characters(characters: Sequence[str], cut: Cut) -> Segmented:
    """Replace the lone surrogates of a sentence and segment it.

    Args:
        characters: One code point each.
        cut: The segmenter.

    Returns:
        The characters as features see them, with segments that tile them.
    """
    replaced = without_surrogates(characters)
    return Segmented(replaced, *segment_sentence(replaced, cut))


def without_surrogates(characters: Sequence[str]) -> Sequence[str]:
    """Replace lone surrogates, which no trie, tokenizer or table accepts, by U+FFFD, which has the same length."""
    if not _SURROGATE.search("".join(characters)):
        return characters
    return [_SURROGATE.sub("\ufffd", character) for character in characters]

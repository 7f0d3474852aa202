"""Sentences → segments, for any text: also for lone surrogates, which no file of a data set can hold."""

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
    """Each segment's first character."""


def segment_characters(characters: Sequence[str], cut: Cut) -> Segmented:
    """Segment one sentence, its lone surrogates replaced.

    Args:
        characters: One code point each.
        cut: The segmenter.

    Returns:
        The characters as the features see them, with segments that tile them.
    """
    replaced = without_surrogates(characters)
    return Segmented(replaced, *segment_sentence(replaced, cut))


def without_surrogates(characters: Sequence[str]) -> Sequence[str]:
    """Replace lone surrogates by U+FFFD, which is as long. No trie, tokenizer or table accepts a lone surrogate."""
    if not _SURROGATE.search("".join(characters)):
        return characters
    return [_SURROGATE.sub("\ufffd", character) for character in characters]

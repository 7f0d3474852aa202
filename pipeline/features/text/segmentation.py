"""Word segmentation whose segments tile the sentence exactly, for any text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.features.text.windows import window_starts

Cut = Callable[[str], Iterable[str]]

LONGEST_PIECE = 2048
"""The most code points given to an engine at once.

jieba's time grows with the square of the length of a run of single characters (100,000 take a minute and a half).
Longer texts are cut after punctuation, across which no engine forms words, and elsewhere only if a stretch of that
length has none."""


def segment_sentence(characters: Sequence[str], cut: Cut) -> tuple[list[str], list[int]]:
    """Cut a sentence into segments that tile it.

    Args:
        characters: One code point each.
        cut: Function from a text to its words, in order.

    Returns:
        The segments, and the position of the first character of each.

    Raises:
        InputDataError: The segmenter lost or changed text.
    """
    words = segments_of("".join(characters), cut)
    return words, [0, *accumulate(map(len, words))][: len(words)]


def segments_of(text: str, cut: Cut) -> list[str]:
    """Cut the text of a sentence into segments that tile it; raises InputDataError like ``segment_sentence``."""
    words = [word for piece in _pieces(text) for word in cut(piece) if word]
    # Entities and tokens are positions in this text: one lost character would shift all that follow.
    if "".join(words) != text:
        raise InputDataError(
            f"the segmenter changed the text {text[:40]!r}", next_step="report this text; use the other segment.engine"
        )
    return words


def _pieces(text: str) -> list[str]:
    if len(text) <= LONGEST_PIECE:
        return [text]
    starts = window_starts(text, max_window=LONGEST_PIECE)
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def segment_of_each(segments: Sequence[str], starts: Sequence[int], *, n_characters: int) -> list[str]:
    """Return the segment that contains each character. Length: ``n_characters``."""
    ends = [*starts, n_characters][1:]
    return [segment for segment, start, end in zip(segments, starts, ends, strict=True) for _ in range(start, end)]

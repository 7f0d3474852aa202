"""Cut sentences too long for the encoder into windows after punctuation; no character is ever truncated."""

from __future__ import annotations

from collections.abc import Sequence

# Characters after which a window may end, the best groups first.
_MARKS = (frozenset("。！？!?…\n"), frozenset("；;：:"), frozenset("，,、"), frozenset(" \u3000\t）)】》」』"))


def window_starts(characters: Sequence[str], *, max_window: int) -> list[int]:
    """Cut a sentence into windows that fit the encoder.

    A window ends after the last mark of the best group that occurs in its second half; without a mark it has
    ``max_window`` characters.

    Args:
        characters: One code point each.
        max_window: The maximum number of characters of a window.

    Returns:
        The first position of each window; the windows tile the sentence. An empty sentence has one window at 0.
    """
    starts = [0]
    while len(characters) - starts[-1] > max_window:
        starts.append(_window_end(characters, start=starts[-1], max_window=max_window))
    return starts


def _window_end(characters: Sequence[str], *, start: int, max_window: int) -> int:
    full = start + max_window
    # Not before the middle: ending at a mark near the start would make many windows with hardly any context.
    for marks in _MARKS:
        for end in range(full, start + max_window // 2, -1):
            if characters[end - 1] in marks:
                return end
    return full

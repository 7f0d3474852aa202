"""Cut sentences longer than the encoder takes at sensible marks; the states are joined again, never cut off."""

from __future__ import annotations

from collections.abc import Sequence

# Best marks first: after one of these a window may end.
_MARKS = (frozenset("。！？!?…\n"), frozenset("；;：:"), frozenset("，,、"), frozenset(" \u3000\t）)】》」』"))


def window_starts(characters: Sequence[str], *, max_window: int) -> list[int]:
    """Cut a sentence into windows that the encoder can take.

    A window ends after the last of the best marks in its second half; without a mark it is full.

    Args:
        characters: One code point each.
        max_window: The most characters of a window.

    Returns:
        The first position of each window; the windows tile the sentence. An empty sentence has one window at 0.
    """
    starts = [0]
    while len(characters) - starts[-1] > max_window:
        starts.append(_window_end(characters, start=starts[-1], max_window=max_window))
    return starts


def _window_end(characters: Sequence[str], *, start: int, max_window: int) -> int:
    full = start + max_window
    # Not before the middle: a mark near the start would leave a window with next to no context, and many windows.
    for marks in _MARKS:
        for end in range(full, start + max_window // 2, -1):
            if characters[end - 1] in marks:
                return end
    return full

"""Windows tile the sentence and end at the best mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.text.windows import window_starts

# One mark of each class, best first; 字 is no mark.
RANKED = "。；， "


@given(st.lists(st.sampled_from(["字", "。字", *RANKED]), max_size=60), st.integers(1, 20))
def test_windows_tile_the_sentence_and_end_at_the_best_mark(characters: list[str], longest: int) -> None:
    starts = window_starts(characters, max_window=longest)
    assert starts[0] == 0
    ends = [*starts[1:], len(characters)]
    for start, end in zip(starts, ends, strict=True):
        assert end - start <= longest
        assert end > start or not characters
        if end == len(characters):
            continue
        # of all ends in the second half, the one behind the best kind of mark, the last of these; else a full window
        allowed = range(start + longest // 2 + 1, start + longest + 1)
        ranked = [(RANKED.index(characters[e - 1]), -e) for e in allowed if characters[e - 1] in list(RANKED)]
        assert end == (-min(ranked)[1] if ranked else start + longest)
    assert [c for s, e in zip(starts, ends, strict=True) for c in characters[s:e]] == characters


@given(st.text(max_size=50), st.integers(50, 60))
def test_a_short_sentence_is_one_window(text: str, longest: int) -> None:
    assert window_starts(list(text), max_window=longest) == [0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("一二三四五六七八九十甲乙", [0, 10]),
        ("一二三四五六。八，十甲乙", [0, 7]),  # a full stop is better than a later comma
        ("一二三四五六，八，十甲乙", [0, 9]),  # of two commas the later
        ("一二。四五六七八九十甲乙", [0, 10]),  # a mark in the first half would make a short window
        ("一二三四五六七八九。甲乙", [0, 10]),
        ("一二三四五！七；九　甲乙", [0, 6]),
    ],
)
def test_window_starts_by_hand(text: str, expected: list[int]) -> None:
    assert window_starts(list(text), max_window=10) == expected


def test_windows_of_one_character() -> None:
    assert window_starts(list("一。三"), max_window=1) == [0, 1, 2]

"""Segments tile any text, and their positions are those of the text."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.features.text.segmentation import Cut
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.online.segmenting import segment_characters, without_surrogates

ANY_TEXT = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("中国人民北京 。\n"), max_size=40
)


@pytest.fixture(scope="module")
def cut() -> Cut:
    return open_segmenter("rjieba", hmm=True, user_dict=None)


@given(text=ANY_TEXT)
def test_segments_tile_any_text_and_only_lone_surrogates_are_replaced(cut: Cut, text: str) -> None:
    characters = list(text)
    segmented = segment_characters(characters, cut)
    assert len(segmented.characters) == len(characters)
    for before, after in zip(characters, segmented.characters, strict=True):
        assert after == ("\ufffd" if "\ud800" <= before <= "\udfff" else before)
    assert "".join(segmented.segments) == "".join(segmented.characters)
    assert list(segmented.starts) == [0, *accumulate(map(len, segmented.segments))][: len(segmented.segments)]
    assert all(segmented.segments), "no segment is empty"
    "".join(segmented.segments).encode("utf-8")
    assert characters == list(text), "the input is not changed"


def test_text_without_a_surrogate_is_not_copied() -> None:
    characters = ["中", "😀", "\ufffd"]
    assert without_surrogates(characters) is characters
    assert without_surrogates([]) == []


def test_a_surrogate_pair_in_two_characters_stays_two_characters() -> None:
    """Some programs pass a list of UTF-16 code units, whose positions must be kept."""
    assert without_surrogates(["\ud83d", "\ude00", "国"]) == ["\ufffd", "\ufffd", "国"]


def test_a_segmenter_that_loses_text_is_refused() -> None:
    with pytest.raises(InputDataError, match="the segmenter changed the text '中\ufffd国'") as caught:
        segment_characters(["中", "\udfff", "国"], lambda text: [text.replace("\ufffd", "")])
    assert "segment.engine" in caught.value.next_step

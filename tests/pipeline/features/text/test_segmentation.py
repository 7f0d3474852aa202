"""Segments tile any text, with both engines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.features.text.segmentation import LONGEST_PIECE, Cut, segment_of_each, segment_sentence, segments_of
from ssmi.pipeline.lexicon.segmenter import open_segmenter

ENGINES = ("jieba", "rjieba")

PIECES = [
    *("中国", "北京大学", "陈思远", "我来到", "和服", "𠀀𪚥", "㐀㐁", "々〇"),
    *("abc", "Ａｂ", "3.14%", "１２", "2019", "e-mail", "C++", "U.S.A."),
    *(" ", "  ", "\u3000", "\t", "\n", "\r\n", "\r", "\u2028", "\x85"),
    *("😀", "👨\u200d👩\u200d👧", "🇨🇳", "\u0301", "\ufeff", "\ue000", "\U000f0000", "\x00", "\x1b", "\x7f", "\ufffd"),
    *("。", "，", "…", "《", "#", "_", "·"),
]
CHARACTER = st.sampled_from(sorted({c for piece in PIECES for c in piece})) | st.characters(exclude_categories=["Cs"])
TEXT = st.lists(st.sampled_from(PIECES) | CHARACTER, max_size=25).map("".join)


@pytest.fixture(scope="module", params=[(engine, hmm) for engine in ENGINES for hmm in (True, False)])
def cut(request: pytest.FixtureRequest) -> Cut:
    engine, hmm = request.param
    return open_segmenter(engine, hmm=hmm, user_dict=None)


def _check_tiles(characters: list[str], segments: list[str], starts: list[int]) -> None:
    assert "".join(segments) == "".join(characters)
    assert all(segments)
    ends = [*starts, len(characters)][1:]
    assert ["".join(characters[start:end]) for start, end in zip(starts, ends, strict=True)] == segments
    assert starts == sorted(set(starts)) and starts[:1] == ([0] if characters else [])


@given(text=TEXT)
@settings(max_examples=150)
def test_segments_tile_any_text(cut: Cut, text: str) -> None:
    characters = list(text)
    segments, starts = segment_sentence(characters, cut)
    _check_tiles(characters, segments, starts)
    # with one code point per character, the segments are the engine's words
    assert segments == [word for word in cut(text) if word] == segments_of(text, cut)


@given(st.lists(st.text("字a😀", min_size=1, max_size=3), max_size=12))
def test_segment_of_each_returns_the_segment_of_every_character(words: list[str]) -> None:
    characters = list("".join(words))
    segments, starts = segment_sentence(characters, lambda _: words)
    _check_tiles(characters, segments, starts)
    segment_of_character = segment_of_each(segments, starts, n_characters=len(characters))
    assert segment_of_character == [word for word in words for _ in word]


@pytest.mark.parametrize("engine", ENGINES)
def test_segments_by_hand(engine: str) -> None:
    with_hmm_cut = open_segmenter(engine, hmm=True, user_dict=None)
    without_hmm_cut = open_segmenter(engine, hmm=False, user_dict=None)
    assert segment_sentence(list("我来到北京清华大学"), with_hmm_cut) == (
        ["我", "来到", "北京", "清华大学"],
        [0, 1, 3, 5],
    )
    text = list("他来到了网易杭研大厦")
    assert segment_sentence(text, with_hmm_cut)[0] == ["他", "来到", "了", "网易", "杭研", "大厦"]
    assert segment_sentence(text, without_hmm_cut)[0] == ["他", "来到", "了", "网易", "杭", "研", "大厦"]
    assert segment_sentence([], with_hmm_cut) == ([], [])


@pytest.mark.parametrize("mark", ["。", "，", " ", "\n", "》"])
def test_splitting_long_texts_after_marks_changes_no_segment(cut: Cut, mark: str) -> None:
    text = mark.join(["我来到北京清华大学", "他来到了网易杭研大厦", "abc3.14%的"] * 200)
    assert len(text) > 2 * LONGEST_PIECE
    assert segment_sentence(list(text), cut)[0] == list(cut(text))


@pytest.mark.parametrize("text", ["的" * 20_000, "a" * 5000 + "。" + "的" * 5000, " " * 5000, "a" * LONGEST_PIECE])
def test_engines_never_get_more_than_the_longest_piece(text: str) -> None:
    pieces: list[str] = []

    def record(piece: str) -> list[str]:
        pieces.append(piece)
        return list(piece)

    assert segment_sentence(list(text), record) == (list(text), list(range(len(text))))
    assert "".join(pieces) == text and max(map(len, pieces)) <= LONGEST_PIECE


@pytest.mark.parametrize("words", [["中"], ["中国", "人"], ["国", "中"], []])
def test_an_engine_that_changes_the_text_is_refused(words: list[str]) -> None:
    with pytest.raises(InputDataError, match="changed the text '中国'") as caught:
        segment_sentence(["中", "国"], lambda text: words)
    assert "segment.engine" in caught.value.next_step

"""Texts are cut into pieces without losing characters, and entities are mapped back to positions in the text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.model.data.batches import MAX_PADDED_CHARACTERS
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.predict.pieces import Piece, Text, cut
from ssmi.predict.user_entities import MergedEntity

ALPHABET = ["北", "京", "a", "b", "。", "，", " ", "\u3000", "\u200b", "\n", "\r\n", "\n\n", "\u2029", "𠮷", "\ud800"]
texts = st.lists(st.sampled_from(ALPHABET), max_size=60).map("".join)
long_texts = st.builds(
    lambda blocks, last: "".join(text * n for text, n in blocks) + last,
    st.lists(st.tuples(texts.filter(bool), st.integers(1, 400)), min_size=1, max_size=4),
    texts,
)


def _pieces(text: str) -> list[Piece]:
    return list(cut(Text(text)))


@settings(deadline=None, max_examples=80)
@given(text=texts | long_texts)
def test_pieces_contain_all_visible_text(text: str) -> None:
    pieces = _pieces(text)
    stretches = visible_stretches(text)
    assert "".join(piece.text for piece in pieces) == "".join(stretch.text for stretch in stretches)
    positions = [position for piece in pieces for position in piece.seen.positions]
    assert positions == [position for stretch in stretches for position in stretch.positions]
    assert all(left < right for left, right in pairwise(positions))
    assert [piece.text for piece in pieces if not piece.text] == ([] if stretches else [""])


@settings(deadline=None, max_examples=80)
@given(text=texts | long_texts)
def test_every_character_belongs_to_one_piece(text: str) -> None:
    """Progress therefore ends at the length of the text, blanks included, and never decreases."""
    pieces = _pieces(text)
    assert sum(piece.n_source_characters for piece in pieces) == len(text)
    done = 0
    for piece in pieces:
        assert piece.n_source_characters >= 0
        if piece.text:
            assert done <= piece.seen.positions[0]
        done += piece.n_source_characters
        if piece.text:
            assert piece.seen.positions[-1] < done


@settings(deadline=None, max_examples=40)
@given(text=long_texts)
def test_pieces_are_limited_in_length_and_do_not_cross_blank_lines(text: str) -> None:
    ends = {stretch.positions[-1] for stretch in visible_stretches(text)}
    for piece in _pieces(text):
        assert len(piece.text) <= MAX_PADDED_CHARACTERS
        assert not ends & set(piece.seen.positions[:-1])


def test_a_long_text_is_cut_after_a_full_stop() -> None:
    sentence = "北" * 99 + "。"
    first, *_, last = _pieces(sentence * (MAX_PADDED_CHARACTERS // 50))
    assert first.text.endswith("。") and last.text.endswith("。")
    assert len(_pieces("北" * MAX_PADDED_CHARACTERS)) == 1 and len(_pieces("北" * (MAX_PADDED_CHARACTERS + 1))) == 2


@given(text=texts.filter(visible_stretches), data=st.data())
def test_entities_are_mapped_to_the_original_text(text: str, data: st.DataObject) -> None:
    source = Text(text)
    piece = data.draw(st.sampled_from(list(cut(source))))
    start = data.draw(st.integers(0, len(piece.text) - 1))
    end = data.draw(st.integers(start + 1, len(piece.text)))
    piece.add([MergedEntity(Span(start, end, "LOC"), 0.25, "file")])
    (entity,) = source.entities
    assert (entity.label, entity.score, entity.source) == ("LOC", 0.25, "file")
    assert entity.text == text[entity.start : entity.end]
    assert 0 <= entity.start < entity.end <= len(text)
    if " " not in (piece.text[start], piece.text[end - 1]):
        # The visible characters of its text are those that the network read.
        assert "".join(stretch.text for stretch in visible_stretches(entity.text)) == piece.text[start:end]


@pytest.mark.parametrize("text", ["", " \n\n\u3000", "\u200b"])
def test_an_invisible_text_is_one_empty_piece(text: str) -> None:
    (piece,) = _pieces(text)
    assert (piece.text, piece.n_source_characters) == ("", len(text))

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
def test_the_pieces_of_a_text_are_all_that_is_seen_of_it(text: str) -> None:
    pieces = _pieces(text)
    stretches = visible_stretches(text)
    assert "".join(piece.text for piece in pieces) == "".join(stretch.text for stretch in stretches)
    positions = [position for piece in pieces for position in piece.seen.positions]
    assert positions == [position for stretch in stretches for position in stretch.positions]
    assert all(left < right for left, right in pairwise(positions))
    assert [piece.text for piece in pieces if not piece.text] == ([] if stretches else [""])


@settings(deadline=None, max_examples=80)
@given(text=texts | long_texts)
def test_every_character_that_was_given_is_done_with_one_piece(text: str) -> None:
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
def test_no_piece_is_longer_than_the_network_reads_nor_goes_over_a_blank_line(text: str) -> None:
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
def test_an_entity_stands_in_the_text_as_it_was_given(text: str, data: st.DataObject) -> None:
    of = Text(text)
    piece = data.draw(st.sampled_from(list(cut(of))))
    start = data.draw(st.integers(0, len(piece.text) - 1))
    end = data.draw(st.integers(start + 1, len(piece.text)))
    piece.add([MergedEntity(Span(start, end, "LOC"), 0.25, "file")])
    (entity,) = of.entities
    assert (entity.label, entity.score, entity.source) == ("LOC", 0.25, "file")
    assert entity.text == text[entity.start : entity.end]
    assert 0 <= entity.start < entity.end <= len(text)
    if " " not in (piece.text[start], piece.text[end - 1]):
        # Its text alone has the same seen characters as the network read.
        assert "".join(stretch.text for stretch in visible_stretches(entity.text)) == piece.text[start:end]


@pytest.mark.parametrize("text", ["", " \n\n\u3000", "\u200b"])
def test_a_text_of_which_nothing_is_seen_is_one_empty_piece(text: str) -> None:
    (piece,) = _pieces(text)
    assert (piece.text, piece.n_source_characters) == ("", len(text))

"""Edges of entities at whole Latin words and numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.words import BLANK, cuts_word, edges, whole_words


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("在Apple Inc.的", "00111120110" "0"),
        ("3.14、1,000", "0111001111"),
        ("10:30/5.", "01111110"),
        ("a.b 1.a", "0002000"),
        ("Ｗｉ－Ｆｉ", "01001"),
        ("Иван Ω", "011120"),
        ("e\u0301te\u0301", "01111"),
        ("COVID-19型5G", "01111001001"),
        ("２００５年", "01110"),
        ("2×3", "000"),
        ("王\n", "02"),
        ("", ""),
    ],
)  # fmt: skip
def test_characters_of_words_and_numbers(text: str, kinds: str) -> None:
    assert list(edges(text)) == [int(kind) for kind in kinds]


def move_to_words(marked: str) -> str:
    """Move entities, which are in brackets before and after, to whole words: ``[Ap]ple`` → ``[Apple]``."""
    spans: list[Span] = []
    text, start = "", 0
    for character in marked:
        if character == "[":
            start = len(text)
        elif character == "]":
            spans.append(Span(start, len(text), str(len(spans))))
        else:
            text += character
    moved = whole_words(spans, edges(text))
    for span in reversed(moved):
        text = f"{text[: span.start]}[{text[span.start : span.end]}]{text[span.end :]}"
    return text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("在[Ap]ple的", "在[Apple]的"),
        ("在[Apple Inc]. 的", "在[Apple Inc]. 的"),
        ("C[EO]", "[CEO]"),
        ("[2]005.3.1年", "[2005.3.1]年"),
        ("[苹果A]pple[公司]", "[苹果Apple][公司]"),
        # the word goes to the entity with more of it; if both have as much, to the left one
        ("[苹果A][pple公司]", "[苹果][Apple公司]"),
        ("[苹果ab][cd公司]", "[苹果abcd][公司]"),
        ("[a][b][cd]e", "[abcde]"),
        ("[x 苹a][bcd e果][f]gh", "[x 苹][abcd e果][fgh]"),
        # the remainder of the other entity has no blank at its edge
        ("[Foo B][ar]", "[Foo] [Bar]"),
        ("A[ ]b", "A b"),
        ("A[ b ]c", "A [b] c"),
    ],
)
def test_edges_move_to_whole_words(before: str, after: str) -> None:
    assert move_to_words(before) == after


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(st.text("ab1. ,王é", min_size=1, max_size=20))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=10)))
    pairs = [pair for pair in pairwise(cuts) if draw(st.booleans())]
    return text, [Span(start, end, draw(st.sampled_from("XY"))) for start, end in pairs]


@given(texts_with_spans())
def test_moved_spans_are_valid_for_any_spans(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    kinds = edges(text)
    moved = whole_words(spans, kinds)
    assert whole_words(moved, kinds) == moved
    for span in moved:
        assert 0 <= span.start < span.end <= len(text)
        assert not cuts_word(span.start, span.end, kinds)
        assert kinds[span.start] != BLANK and kinds[span.end - 1] != BLANK
    assert all(left.end <= right.start for left, right in pairwise(moved))
    if not any(cuts_word(span.start, span.end, kinds) for span in spans):
        expected = [text[span.start : span.end].strip() for span in spans]
        assert [text[span.start : span.end] for span in moved] == [piece for piece in expected if piece]

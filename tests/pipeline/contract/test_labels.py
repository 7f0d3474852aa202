"""Spans and tags, compared with regular expressions over the tags written as letters."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.labels import (
    OUTSIDE,
    ROLES,
    LabelSet,
    Span,
    TagScheme,
    is_label,
    repair_spans,
    spans_to_tags,
    split_tag,
    strict_spans,
)

SCHEMES: list[TagScheme] = ["BIO", "BMES", "BIOES"]
TYPES = ("LOC", "PER.NAM", "a-b")


@st.composite
def _annotated(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Draw non-overlapping spans, some adjacent and of the same type, and the length of their sentence."""
    spans, place = [], 0
    for length, label, gap in draw(
        st.lists(st.tuples(st.integers(1, 4), st.sampled_from(TYPES), st.integers(0, 2)), max_size=6)
    ):
        spans.append(Span(place + gap, place + gap + length, label))
        place += gap + length
    return spans, place + draw(st.integers(0, 2))


@st.composite
def _any_tags(draw: st.DrawFn) -> tuple[TagScheme, list[str]]:
    scheme = draw(st.sampled_from(SCHEMES))
    tags = LabelSet.of(TYPES[:2], scheme=scheme).tags
    return scheme, draw(st.lists(st.sampled_from(tags), max_size=14))


# --- spans <-> tags ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@given(_annotated())
def test_spans_are_recovered_from_their_tags(scheme: TagScheme, annotated: tuple[list[Span], int]) -> None:
    spans, length = annotated
    tags = spans_to_tags(spans, n_characters=length, scheme=scheme)
    assert len(tags) == length
    assert strict_spans(tags, scheme=scheme) == (spans, 0)
    assert repair_spans(tags) == spans
    labels = LabelSet.of(TYPES, scheme=scheme)
    assert set(tags) <= set(labels.tags)
    inside = {position for span in spans for position in range(span.start, span.end)}
    assert {position for position, tag in enumerate(tags) if tag != OUTSIDE} == inside


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("BIO", "B-X I-X I-X B-X O B-Y I-Y"),
        ("BMES", "B-X M-X E-X S-X O B-Y E-Y"),
        ("BIOES", "B-X I-X E-X S-X O B-Y E-Y"),
    ],
)
def test_tags_by_hand(scheme: TagScheme, expected: str) -> None:
    spans = [Span(0, 3, "X"), Span(3, 4, "X"), Span(5, 7, "Y")]
    assert spans_to_tags(spans, n_characters=7, scheme=scheme) == expected.split()


@pytest.mark.parametrize("name", ["", " ORG", "ORG\t", "A\x02B", "A\ud800", "\udfffB", "A\u2028B"])
def test_types_that_cannot_be_written_into_a_file_are_no_labels(name: str) -> None:
    assert not is_label(name)
    assert is_label("A B-\N{GRINNING FACE}") and is_label("组织")


def test_a_tag_splits_at_its_first_hyphen() -> None:
    assert split_tag("B-a-b") == ("B", "a-b")
    assert split_tag("O") == ("O", "")


# --- gold: repaired ---------------------------------------------------------------------------------------------------


@given(_any_tags())
def test_repair_keeps_every_marked_character_with_its_type(drawn: tuple[TagScheme, list[str]]) -> None:
    _, tags = drawn
    spans = repair_spans(tags)
    labels: list[str] = [""] * len(tags)
    for span in spans:
        assert 0 <= span.start < span.end <= len(tags)
        for position in range(span.start, span.end):
            assert labels[position] == ""  # no two spans overlap
            labels[position] = span.label
    assert labels == [split_tag(tag)[1] for tag in tags]
    assert spans == sorted(spans)
    # every annotated B and S begins an entity, and every E and S ends one
    starts, ends = {span.start for span in spans}, {span.end for span in spans}
    assert {place for place, tag in enumerate(tags) if tag[0] in "BS"} <= starts
    assert {place + 1 for place, tag in enumerate(tags) if tag[0] in "ES"} <= ends


@given(_any_tags())
def test_well_formed_gold_needs_no_repair(drawn: tuple[TagScheme, list[str]]) -> None:
    scheme, tags = drawn
    strict, ill_formed = strict_spans(tags, scheme=scheme)
    repaired = repair_spans(tags)
    if ill_formed == 0:
        assert repaired == strict
    assert set(strict) <= set(repaired)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-X I-X O", [(0, 2, "X")]),  # never opened
        ("B-X I-Y I-Y", [(0, 1, "X"), (1, 3, "Y")]),
        ("B-X M-X O S-X", [(0, 2, "X"), (3, 4, "X")]),  # never closed
        ("B-X B-X E-X", [(0, 1, "X"), (1, 3, "X")]),
        ("B-X E-X E-X", [(0, 2, "X"), (2, 3, "X")]),
        ("M-X S-Y", [(0, 1, "X"), (1, 2, "Y")]),  # neither opened nor closed
        ("B-X B-X I-X", [(0, 1, "X"), (1, 3, "X")]),  # the usual end of an entity in BIO
        ("", []),
    ],
)
def test_repairs_by_hand(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert repair_spans(tags.split()) == [Span(*span) for span in spans]


# --- predicted: strict ------------------------------------------------------------------------------------------------


def _strict_by_regex(tags: list[str], scheme: TagScheme) -> tuple[list[Span], int]:
    """Read strictly by a regular expression over one letter per tag.

    Upper case is the first type, lower case the second; ``I`` is written as M.
    """
    first = TYPES[0]
    text = ""
    for tag in tags:
        role, label = split_tag(tag)
        letter = "M" if role == "I" else role
        text += "." if role == OUTSIDE else letter if label == first else letter.lower()
    entity = "BM*|bm*" if scheme == "BIO" else "BM*E|bm*e|S|s"
    pieces = re.finditer(rf"(?P<entity>{entity})|(?P<unclosed>BM*|bm*)|(?P<stray>[MEme]+)|\.", text)
    spans, ill_formed = [], 0
    for piece in pieces:
        if piece.lastgroup == "entity":
            spans.append(Span(*piece.span(), TYPES[0] if piece.group()[0].isupper() else TYPES[1]))
        ill_formed += piece.lastgroup in ("unclosed", "stray")
    return spans, ill_formed


@given(_any_tags())
def test_strict_reading_equals_a_regular_expression(drawn: tuple[TagScheme, list[str]]) -> None:
    scheme, tags = drawn
    assert strict_spans(tags, scheme=scheme) == _strict_by_regex(tags, scheme)


@pytest.mark.parametrize(
    ("scheme", "tags", "spans", "ill_formed"),
    [
        ("BMES", "B-X M-X E-X S-X", [(0, 3, "X"), (3, 4, "X")], 0),
        ("BMES", "B-X B-X E-X", [(1, 3, "X")], 1),
        ("BMES", "B-X M-Y E-X", [], 2),
        ("BMES", "M-X E-X", [], 1),
        ("BMES", "B-X", [], 1),
        ("BIO", "B-X I-X I-Y O", [(0, 2, "X")], 1),
        ("BIO", "I-X I-X", [], 1),
        ("BIOES", "B-X I-X E-Y", [], 2),
    ],
)
def test_strict_by_hand(scheme: TagScheme, tags: str, spans: list[tuple[int, int, str]], ill_formed: int) -> None:
    assert strict_spans(tags.split(), scheme=scheme) == ([Span(*span) for span in spans], ill_formed)


@given(_any_tags())
def test_allowed_transitions_are_those_without_ill_formed_pieces(drawn: tuple[TagScheme, list[str]]) -> None:
    scheme, tags = drawn
    labels = LabelSet.of(TYPES[:2], scheme=scheme)
    borders = [None, *tags, None]
    allowed = all(labels.allows(left, right) for left, right in pairwise(borders))
    assert allowed == (strict_spans(tags, scheme=scheme)[1] == 0)


# --- label set --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ids_are_positions_and_outside_is_zero(scheme: TagScheme) -> None:
    labels = LabelSet.of(["PER", "LOC", "PER"], scheme=scheme)
    assert labels == LabelSet.of(["LOC", "PER"], scheme=scheme)
    assert labels.tags[0] == OUTSIDE and len(labels.tags) == 1 + 2 * len(ROLES[scheme]) == len(set(labels.tags))
    assert labels.tag_ids() == {tag: place for place, tag in enumerate(labels.tags)}
    assert LabelSet.of([], scheme=scheme).tags == (OUTSIDE,)

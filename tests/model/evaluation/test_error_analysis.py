"""Span errors: each entity without an exact match is in exactly one error, whose class follows its definition."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.evaluation.error_analysis import KINDS, confusion, find_span_errors
from ssmi.pipeline.contract.labels import Span

ORG, LOC = "ORG", "LOC"


def spans(*triples: tuple[int, int, str]) -> list[Span]:
    return [Span(*triple) for triple in triples]


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        (spans((0, 2, ORG)), spans((0, 2, ORG)), []),
        (spans((0, 2, ORG)), spans((0, 2, LOC)), ["type"]),
        (spans((0, 2, ORG)), spans((0, 3, ORG)), ["span"]),
        (spans((0, 2, ORG)), spans((1, 3, LOC)), ["span"]),
        (spans((0, 2, ORG)), spans((2, 4, ORG)), ["missed", "spurious"]),
        (spans((0, 2, ORG)), [], ["missed"]),
        ([], spans((0, 2, ORG)), ["spurious"]),
        (spans((0, 2, ORG), (2, 4, LOC)), spans((0, 4, ORG)), ["span"]),
        # A chain: the first prediction overlaps both gold entities, and the second gold entity the next prediction.
        (spans((0, 2, ORG), (2, 6, LOC)), spans((1, 3, ORG), (5, 7, LOC)), ["span"]),
    ],
)
def test_errors_have_the_defined_kinds(gold: list[Span], predicted: list[Span], kinds: list[str]) -> None:
    assert [error.kind for error in find_span_errors(gold, predicted)] == kinds


def test_span_error_holds_all_its_entities() -> None:
    (error,) = find_span_errors(spans((3, 5, ORG), (5, 7, LOC)), spans((4, 6, ORG)))
    assert error.gold == tuple(spans((3, 5, ORG), (5, 7, LOC)))
    assert error.predicted == tuple(spans((4, 6, ORG)))
    assert (error.start, error.end) == (3, 7)


@st.composite
def entities(draw: st.DrawFn) -> list[Span]:
    """Entities that do not overlap, in a sentence of 14 characters."""
    cuts = sorted(draw(st.sets(st.integers(0, 14), max_size=8)))
    segments = [pair for pair in pairwise(cuts) if draw(st.booleans())]
    return [Span(start, end, draw(st.sampled_from(["ORG", "LOC", "PER"]))) for start, end in segments]


@given(gold=entities(), predicted=entities())
def test_every_wrong_entity_is_in_exactly_one_span_error(gold: list[Span], predicted: list[Span]) -> None:
    errors = find_span_errors(gold, predicted)
    assert Counter(span for error in errors for span in error.gold) == Counter(set(gold) - set(predicted))
    assert Counter(span for error in errors for span in error.predicted) == Counter(set(predicted) - set(gold))
    assert all(left.end <= right.start for left, right in pairwise(errors))
    for error in errors:
        assert error.kind in KINDS
        touched = any(g.start < p.end and p.start < g.end for g in error.gold for p in error.predicted)
        assert touched == (error.kind in ("type", "span"))
        same = [(s.start, s.end) for s in error.gold] == [(s.start, s.end) for s in error.predicted]
        assert same == (error.kind == "type")


@given(gold=entities(), predicted=entities())
def test_confusion_totals_match_gold_and_predictions(gold: list[Span], predicted: list[Span]) -> None:
    counts = confusion([(gold, predicted), ([], [])])
    for label in ("ORG", "LOC", "PER"):
        assert sum(n for (side, _), n in counts.items() if side == label) == sum(s.label == label for s in gold)
        assert sum(n for (_, side), n in counts.items() if side == label) == sum(s.label == label for s in predicted)
        assert counts[label, label] == sum(s.label == label for s in set(gold) & set(predicted))
    assert (None, None) not in counts


def test_confusion_compares_equal_characters_only() -> None:
    counts = confusion([(spans((0, 2, ORG), (4, 6, LOC)), spans((0, 2, LOC), (4, 5, LOC)))])
    assert counts == {("ORG", "LOC"): 1, ("LOC", None): 1, (None, "LOC"): 1}

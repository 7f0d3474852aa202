"""Counts per sentence add up to the scores, and each sentence's name identifies it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.evaluation.scoring import EntityCounts, add, score, total
from ssmi.model.evaluation.sentence_counts import count, name_of
from ssmi.pipeline.contract.labels import Span

spans = st.builds(
    lambda start, length, label: Span(start, start + length, label),
    st.integers(0, 3),
    st.integers(1, 2),
    st.sampled_from(["PER", "LOC"]),
)
of_sentence = st.lists(spans, unique=True, max_size=4)
named = st.tuples(st.lists(st.sampled_from(["北", "京", "北京", "\ud800", '"', ","]), max_size=4), of_sentence)


@given(st.lists(st.tuples(named, of_sentence)))
def test_sentences_add_up_to_the_scores(split: list[tuple[tuple[list[str], list[Span]], list[Span]]]) -> None:
    characters = [text for (text, _), _ in split]
    gold, predicted = [entities for (_, entities), _ in split], [predictions for _, predictions in split]
    counted = count(characters, gold, predicted)
    assert list(counted.sentences) == [name_of(*pair) for pair in zip(characters, gold, strict=True)]
    whole = score(gold, predicted)
    assert add(counted.counts) == whole.by_type and total(add(counted.counts).values()) == whole.overall
    for counts, true, guess in zip(counted.counts, gold, predicted, strict=True):
        assert set(counts) == {span.label for span in (*true, *guess)}
        for label, one in counts.items():
            right = sum(span in guess for span in true if span.label == label)
            sides = [sum(span.label == label for span in side) for side in (true, guess)]
            assert one == EntityCounts(*sides, right)


@given(one=named, other=named)
def test_a_name_is_that_of_the_characters_and_the_gold_entities(
    one: tuple[list[str], list[Span]], other: tuple[list[str], list[Span]]
) -> None:
    same = one[0] == other[0] and set(one[1]) == set(other[1])
    assert (name_of(*one) == name_of(*other)) == same


def test_the_order_of_the_gold_entities_is_no_part_of_a_name() -> None:
    gold = [Span(2, 3, "B"), Span(0, 1, "A"), Span(0, 2, "A")]
    assert len({name_of("abc", order) for order in itertools.permutations(gold)}) == 1


def test_a_name_does_not_change_between_versions() -> None:
    """Runs of different versions are compared by sentence name."""
    assert name_of(["陈", "思"], [Span(0, 2, "PER")]) == "17a9994c6b31c27a"


@pytest.mark.parametrize(
    ("texts", "gold", "predicted"),
    [(["a"], [[]], [[], []]), (["a"], [[], []], [[], []]), (["a", "b"], [[]], [[]])],
)
def test_one_item_a_sentence(texts: list[str], gold: list[list[Span]], predicted: list[list[Span]]) -> None:
    with pytest.raises(ValueError):
        count(texts, gold, predicted)

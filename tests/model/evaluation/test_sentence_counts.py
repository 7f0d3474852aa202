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
entity_lists = st.lists(spans, unique=True, max_size=4)
gold_sentences = st.tuples(
    st.lists(st.sampled_from(["北", "京", "北京", "\ud800", '"', ","]), max_size=4), entity_lists
)


@given(st.lists(st.tuples(gold_sentences, entity_lists)))
def test_sentence_counts_add_up_to_the_scores(split: list[tuple[tuple[list[str], list[Span]], list[Span]]]) -> None:
    characters = [text for (text, _), _ in split]
    gold, predicted = [entities for (_, entities), _ in split], [predictions for _, predictions in split]
    counted = count(characters, gold, predicted)
    assert list(counted.sentences) == [name_of(*pair) for pair in zip(characters, gold, strict=True)]
    scores = score(gold, predicted)
    assert add(counted.counts) == scores.by_type and total(add(counted.counts).values()) == scores.overall
    for counts, true, guess in zip(counted.counts, gold, predicted, strict=True):
        assert set(counts) == {span.label for span in (*true, *guess)}
        for label, label_counts in counts.items():
            correct = sum(span in guess for span in true if span.label == label)
            n_true, n_guess = (sum(span.label == label for span in side) for side in (true, guess))
            assert label_counts == EntityCounts(n_true, n_guess, correct)


@given(first=gold_sentences, second=gold_sentences)
def test_names_are_equal_only_for_equal_characters_and_gold(
    first: tuple[list[str], list[Span]], second: tuple[list[str], list[Span]]
) -> None:
    same = first[0] == second[0] and set(first[1]) == set(second[1])
    assert (name_of(*first) == name_of(*second)) == same


def test_name_ignores_the_order_of_gold_entities() -> None:
    gold = [Span(2, 3, "B"), Span(0, 1, "A"), Span(0, 2, "A")]
    assert len({name_of("abc", order) for order in itertools.permutations(gold)}) == 1


def test_a_name_does_not_change_between_versions() -> None:
    """Runs of different versions are compared by sentence name."""
    assert name_of(["陈", "思"], [Span(0, 2, "PER")]) == "17a9994c6b31c27a"


@pytest.mark.parametrize(
    ("texts", "gold", "predicted"),
    [(["a"], [[]], [[], []]), (["a"], [[], []], [[], []]), (["a", "b"], [[]], [[]])],
)
def test_lists_of_different_lengths_are_refused(
    texts: list[str], gold: list[list[Span]], predicted: list[list[Span]]
) -> None:
    with pytest.raises(ValueError):
        count(texts, gold, predicted)

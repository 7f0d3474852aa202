"""The words that cover a character and the counts of words, against loops over every sentence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.features.matches import ROLES, Matches
from ssmi.pipeline.contract.errors import StaleArtifactError

Match = tuple[int, int, int]
LENGTH = 9


@st.composite
def _sentence(draw: st.DrawFn) -> list[Match]:
    """Matches within LENGTH characters, with at most one match per (start, end)."""
    spans = draw(st.sets(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 5)), max_size=12))
    ends = sorted({(start, min(start + size, LENGTH)) for start, size in spans})
    return [(start, end, draw(st.integers(1, 6))) for start, end in ends]


SENTENCES = st.lists(_sentence(), min_size=1, max_size=5)


def _flat(sentences: list[list[Match]]) -> Matches:
    columns = np.array([match for sentence in sentences for match in sentence], dtype=np.int32).reshape(-1, 3)
    offsets = np.cumsum([0, *map(len, sentences)])
    return Matches(offsets, *columns.T)


@given(SENTENCES, st.data())
def test_each_character_gets_its_covering_words_and_roles(sentences: list[list[Match]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(sentences) - 1), min_size=1, max_size=6))
    rows, roles = _flat(sentences).words_of(np.array(chosen), length=LENGTH)
    assert rows.shape == roles.shape == (len(chosen), LENGTH, rows.shape[2])
    max_words = 0
    for index, sentence in enumerate(chosen):
        for place in range(LENGTH):
            words = [
                (row, "S" if end - start == 1 else "B" if place == start else "E" if place == end - 1 else "M")
                for start, end, row in sentences[sentence]
                if start <= place < end
            ]
            max_words = max(max_words, len(words))
            found_words = [
                (row, ROLES[role]) for row, role in zip(rows[index, place], roles[index, place], strict=True) if row
            ]
            assert found_words == words
            assert not rows[index, place, len(words) :].any() and not roles[index, place, len(words) :].any()
    assert rows.shape[2] == max_words


@given(SENTENCES)
def test_contained_matches_are_not_counted(sentences: list[list[Match]]) -> None:
    expected = Counter(
        row
        for sentence in sentences
        for start, end, row in sentence
        if not any(s <= start and end <= e and (s, e) != (start, end) for s, e, _ in sentence)
    )
    counts = _flat(sentences).counts(n_rows=8)
    assert counts.dtype == np.int64
    assert counts.tolist() == [expected[row] for row in range(8)]


def test_the_papers_example_of_a_covered_word() -> None:
    # 南京市长江大桥: 南京 lies in 南京市, 大桥 in 长江大桥; 市长 crosses both and counts.
    words = {"南京": (0, 2), "南京市": (0, 3), "市长": (2, 4), "长江大桥": (3, 7), "大桥": (5, 7)}
    matches = _flat([[(*span, row) for row, span in enumerate(words.values(), start=1)]])
    counts = dict(zip(words, matches.counts(n_rows=6)[1:].tolist(), strict=True))
    assert counts == {"南京": 0, "南京市": 1, "市长": 1, "长江大桥": 1, "大桥": 0}


def test_sentences_without_matches_are_empty() -> None:
    matches = _flat([[], []])
    rows, roles = matches.words_of(np.array([1, 0]), length=3)
    assert rows.shape == roles.shape == (2, 3, 0)
    assert matches.counts(n_rows=2).tolist() == [0, 0]
    matches.check(np.array([0, 3]), source="x")


@pytest.mark.parametrize("match", [(-1, 2, 1), (2, 2, 1), (1, 4, 1), (3, 4, 1)])
def test_a_match_outside_its_sentence_is_refused(match: Match) -> None:
    _flat([[(0, 3, 1)], [(0, 3, 1)]]).check(np.array([3, 3]), source="tiny/train")
    with pytest.raises(StaleArtifactError, match="tiny/train: matches outside their sentence"):
        _flat([[(0, 3, 1)], [match]]).check(np.array([9, 3]), source="tiny/train")


@given(SENTENCES, st.data())
def test_matches_follow_their_sentences_through_joined_and_take(
    sentences: list[list[Match]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(sentences)))
    chosen = data.draw(st.lists(st.integers(0, len(sentences) - 1), min_size=1, max_size=6))
    joined = Matches.joined([_flat(sentences[:cut]), _flat(sentences[cut:])])
    assert joined is not None and Matches.joined([]) is None
    taken, expected = joined.take(np.array(chosen)), _flat([sentences[index] for index in chosen])
    for name in ("offsets", "starts", "ends", "rows"):
        assert np.array_equal(getattr(taken, name), getattr(expected, name)), name

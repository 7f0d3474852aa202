"""PMI, compared with events listed one by one and with values computed by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns
from ssmi.pipeline.features.pmi import PairWeights, add_up, count_events, pair_keys, pairs_of, score_pairs
from ssmi.pipeline.features.trie import Trie

Estimator = Literal["joint", "paper"]
WORDS = ["中国", "国家", "中国人", "人人", "国中国"]
SENTENCES = st.lists(st.lists(st.sampled_from("中国人家"), max_size=10), min_size=1, max_size=6)


def _matched(sentences: Sequence[Sequence[str]]) -> tuple[SentenceColumns, MatchColumns]:
    columns = SentenceColumns.of(sentences)
    return columns, Trie.build(WORDS).columns(columns)


def _counted(sentences: Sequence[Sequence[str]]) -> Counter[tuple[str, int]]:
    return _counter(count_events(*_matched(sentences)))


def _counter(counts: tuple[Ints, Ints]) -> Counter[tuple[str, int]]:
    keys, events = counts
    assert keys.tolist() == sorted(set(keys.tolist())) and events.min(initial=1) > 0
    codes, boundaries = pairs_of(keys)
    pairs = zip(map(chr, codes.tolist()), boundaries.tolist(), strict=True)
    return Counter(dict(zip(pairs, events.tolist(), strict=True)))


def _frame(events: Counter[tuple[str, int]]) -> pl.DataFrame:
    rows = [(character, boundary, n) for (character, boundary), n in events.items()]
    return pl.DataFrame(
        rows, schema={"character": pl.String, "boundary_id": pl.Int32, "n_events": pl.Int64}, orient="row"
    )


def _scored(events: Counter[tuple[str, int]], estimator: Estimator) -> dict[tuple[str, int], tuple[float, float]]:
    rows = score_pairs(_frame(events), estimator=estimator).iter_rows(named=True)
    return {(row["character"], row["boundary_id"]): (row["pmi"], row["weight"]) for row in rows}


def _events_one_by_one(sentences: list[list[str]]) -> list[tuple[str, int]]:
    """List the (character, boundary) pair of every position that an occurrence of the boundary covers."""
    events = []
    for characters in sentences:
        for position, character in enumerate(characters):
            for boundary, word in enumerate(WORDS, start=1):
                stretches = (
                    "".join(characters[start:end])
                    for start in range(position + 1)
                    for end in range(position + 1, len(characters) + 1)
                )
                if any(stretch == word for stretch in stretches):
                    events.append((character, boundary))
    return events


@given(SENTENCES)
def test_counts_and_scores_equal_plain_loops(sentences: list[list[str]]) -> None:
    events = _events_one_by_one(sentences)
    counts = _counted(sentences)
    assert counts == Counter(events)
    joint, printed = _scored(counts, "joint"), _scored(counts, "paper")
    assert set(joint) == set(printed) == set(events)
    n = len(events)
    for character, boundary in set(events):
        a = sum(1 for event in events if event == (character, boundary))
        b = sum(1 for c, other in events if other == boundary and c != character)
        c = sum(1 for other, k in events if other == character and k != boundary)
        for scored, denominator in ((joint, a + b), (printed, a)):
            pmi = math.log(a * n / (denominator * (a + c)))
            expected = (pmi, (a + b) / n * pmi)
            assert scored[character, boundary] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_counts_and_scores_by_hand() -> None:
    # 中国人: 中国 over 中 国, 中国人 over 中 国 人; 中国: 中国 over 中 国; 国家: 国家 over 国 家. N = 9.
    events = _counted(["中国人", "中国", "国家"])
    assert events == {("中", 1): 2, ("国", 1): 2, ("中", 3): 1, ("国", 3): 1, ("人", 3): 1, ("国", 2): 1, ("家", 2): 1}
    joint, printed = _scored(events, "joint"), _scored(events, "paper")
    # (国, 中国): A = 2, B = 2 (中), C = 2 (中国人, 国家)
    assert joint["国", 1] == pytest.approx((math.log(18 / 16), 4 / 9 * math.log(18 / 16)))
    assert printed["国", 1] == pytest.approx((math.log(18 / 8), 4 / 9 * math.log(18 / 8)))
    # (国, 国家): A = 1, B = 1 (家), C = 3
    assert joint["国", 2] == pytest.approx((math.log(9 / 8), 2 / 9 * math.log(9 / 8)))
    assert printed["国", 2] == pytest.approx((math.log(9 / 4), 2 / 9 * math.log(9 / 4)))
    # (人, 中国人): A = 1, B = 2, C = 0
    assert joint["人", 3] == pytest.approx((math.log(9 / 3), 3 / 9 * math.log(9 / 3)))
    assert printed["人", 3] == pytest.approx((math.log(9), 3 / 9 * math.log(9)))


def test_a_word_that_overlaps_itself_is_one_event_per_position() -> None:
    assert _counted(["人人人"]) == {("人", 4): 3}
    assert _counted(["人人", "人人人人"]) == {("人", 4): 6}
    assert _counted(["国中国中国"]) == {("国", 5): 3, ("中", 5): 2, ("中", 1): 2, ("国", 1): 2}


def test_scores_are_sorted_and_include_the_counts() -> None:
    scored = score_pairs(_frame(Counter({("国", 3): 1, ("中", 9): 2, ("国", 1): 4})), estimator="joint")
    assert scored.columns == ["character", "boundary_id", "n_events", "pmi", "weight"]
    assert scored.select("character", "boundary_id", "n_events").rows() == [("中", 9, 2), ("国", 1, 4), ("国", 3, 1)]
    assert _counted([]) == _counter(add_up([])) == {}
    assert score_pairs(_frame(Counter()), estimator="joint").is_empty()


def test_large_counts_do_not_overflow() -> None:
    events = Counter({("中", 1): 4 * 10**9, ("国", 1): 4 * 10**9, ("国", 2): 10**9})
    (pmi, weight) = _scored(events, "joint")["中", 1]
    assert pmi == pytest.approx(math.log(9 / 8)) and weight == pytest.approx(8 / 9 * math.log(9 / 8))


@given(st.lists(SENTENCES, max_size=4))
def test_counts_of_several_texts_add_up(texts: list[list[list[str]]]) -> None:
    together = add_up([count_events(*_matched(sentences)) for sentences in texts])
    assert _counter(together) == _counted([sentence for sentences in texts for sentence in sentences])


def test_keys_encode_pairs_and_keep_their_order() -> None:
    pairs = [(ord("a"), 2**31 - 1), (ord("中"), 1), (ord("中"), 2), (ord("国"), 1), (0x10FFFF, 0)]
    keys = pair_keys(*(np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True)))
    assert keys.tolist() == sorted(keys.tolist())
    assert list(zip(*(column.tolist() for column in pairs_of(keys)), strict=True)) == pairs


# --- local boundaries -------------------------------------------------------------------------------------------------


def _weights(weights: Mapping[tuple[str, int], float]) -> PairWeights:
    pairs = sorted(weights)
    codes = np.array([ord(character) for character, _ in pairs], dtype=np.int64)
    keys = pair_keys(codes, np.array([boundary for _, boundary in pairs], dtype=np.int64))
    return PairWeights(keys, np.array([weights[pair] for pair in pairs], dtype=np.float64))


def test_the_local_boundary_has_the_largest_weight_and_the_lowest_id() -> None:
    pairs = _weights({("中", 1): 0.5, ("中", 3): 0.75, ("国", 1): 0.25, ("国", 3): 0.25, ("家", 2): -1.0})
    sentences = SentenceColumns.of(["中国人家"])
    ids = np.array([1, 3, 2], dtype=np.int64)
    matches = MatchColumns(np.array([0, 0, 3], dtype=np.int64), np.array([2, 3, 4], dtype=np.int64), ids)
    # 中: 3 is heavier; 国: a tie; 人: matched by 3 but never counted; 家: a negative weight is a weight
    assert pairs.local_boundaries(sentences, matches).tolist() == [3, 1, 0, 2]
    assert pairs.local_boundaries(*_matched(["天地", ""])).tolist() == [0, 0]
    assert pairs.local_boundaries(*_matched([])).tolist() == []


@given(
    sentences=st.lists(st.lists(st.sampled_from("中国人家"), max_size=12), max_size=3),
    weights=st.dictionaries(
        st.tuples(st.sampled_from("中国人家"), st.integers(1, len(WORDS))),
        st.integers(-2, 2).map(float),
    ),
)
def test_local_boundaries_equal_plain_loops(sentences: list[list[str]], weights: dict[tuple[str, int], float]) -> None:
    columns, matches = _matched(sentences)
    expected = []
    for sentence in sentences:
        found = Trie.build(WORDS).matches("".join(sentence))
        for position, character in enumerate(sentence):
            candidates = [
                (-weights[character, b], b) for s, e, b in found if s <= position < e and (character, b) in weights
            ]
            expected.append(min(candidates)[1] if candidates else 0)
    assert _weights(weights).local_boundaries(columns, matches).tolist() == expected

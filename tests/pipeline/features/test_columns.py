"""Concatenated sentences and the order of matches, compared with plain loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns, is_run_start
from ssmi.pipeline.features.trie import Trie

TEXTS = st.lists(st.text("中国人a😀𠀀", max_size=8), max_size=6)
WORDS = ["中国", "国人", "中国人", "人人", "a中"]


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@given(TEXTS)
def test_sentences_are_concatenated(texts: list[str]) -> None:
    columns = SentenceColumns.of(texts)
    assert SentenceColumns.of([list(text) for text in texts]).texts == columns.texts == texts
    assert columns.text == "".join(texts) and len(columns) == len(texts)
    assert columns.codes.tolist() == [ord(character) for character in columns.text]
    owners = [index for index, text in enumerate(texts) for _ in text]
    assert columns.sentence_of(np.arange(len(owners))).tolist() == owners


def test_a_lone_surrogate_is_an_ordinary_code_point() -> None:
    assert SentenceColumns.of(["中\ud800"]).codes.tolist() == [ord("中"), 0xD800]


@given(st.lists(st.integers(-3, 3), max_size=10))
def test_the_first_of_equal_values_starts_a_run(values: list[int]) -> None:
    values.sort()
    first = is_run_start(_ints(values))
    assert np.flatnonzero(first).tolist() == [values.index(value) for value in sorted(set(values))]
    assert [value for value, one in zip(values, first, strict=True) if one] == sorted(set(values))


@given(TEXTS)
def test_matches_of_each_sentence(texts: list[str]) -> None:
    trie = Trie.build(WORDS)
    columns = SentenceColumns.of(texts)
    matches = trie.columns(columns)
    within = matches.within(columns)
    found = [
        list(zip(*(column.tolist() for column in (one.starts, one.ends, one.ids)), strict=True))
        for one in (within.between(*places) for places in pairwise(matches.offsets(columns).tolist()))
    ]
    assert found == [trie.matches(text) for text in texts]
    assert isinstance(within, MatchColumns)
    long = matches.where(matches.ends - matches.starts > 2)
    long_places = [place for place, number in enumerate(matches.ids.tolist()) if len(WORDS[number - 1]) > 2]
    for selected, all_values in ((long.starts, matches.starts), (long.ends, matches.ends), (long.ids, matches.ids)):
        assert selected.tolist() == all_values[long_places].tolist()

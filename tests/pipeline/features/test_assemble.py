"""The columns of the shards and the row of a text, field by field."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.labels import ROLES, LabelSet, Span, TagScheme, spans_to_tags
from ssmi.pipeline.contract.parquet import schema
from ssmi.pipeline.features.assemble import feature_row, named_boundaries, tag_ids, windows_of
from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.text.windows import window_starts

TOKENS = CharacterTokens({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "中": 4, "国": 5, "。": 6})
CHARACTERS = ["中", "国", "。", "人", "😀"]
TYPES = ("GPE", "PER", "ORG")


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _selection(best: int, cosine: float | None, set_ids: list[int], negatives: list[int]) -> dict[str, Any]:
    return {"best_id": best, "best_cosine": cosine, "set_ids": set_ids, "negative_ids": negatives, "n_candidates": 9}


SELECTIONS = [
    _selection(7, 0.75, [7, 8], [1]),
    _selection(7, 0.5, [], [2, 3]),
    _selection(0, None, [], []),
    _selection(9, -0.25, [9], []),
    _selection(0, None, [], []),
]


def _row(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "characters": CHARACTERS,
        "selections": SELECTIONS,
        "local_ids": [7, 11, 0, 0, 0],
        "segment_starts": [0, 2, 3],
        "tokens": TOKENS,
        "max_window": 4,
        "matches": None,
    }
    return dict(feature_row(**{**arguments, **changes}))


def test_a_row_has_the_expected_fields() -> None:
    assert _row() == {
        "characters": CHARACTERS,
        "token_ids": [4, 5, 6, 1, 1],
        "best_ids": [7, 7, 0, 9, 0],
        "best_cosines": [0.75, 0.5, 0.0, -0.25, 0.0],
        "set_ids": [[7, 8], [], [], [9], []],
        "negative_ids": [[1], [2, 3], [], [], []],
        "local_ids": [7, 11, 0, 0, 0],
        "segment_starts": [0, 2, 3],
        "window_starts": [0, 3],  # after the full stop
        "match_starts": None,
        "match_ends": None,
        "match_ids": None,
    }
    assert set(_row()) == set(schema.SHARDS.names) - {"sentence_id", "tag_ids", "entities", "hidden_start"}
    matches = MatchColumns(_ints([0, 1]), _ints([2, 3]), _ints([7, 11]))
    with_matches = _row(matches=matches, max_window=510)
    assert [with_matches[f"match_{name}"] for name in ("starts", "ends", "ids")] == [[0, 1], [2, 3], [7, 11]]
    assert with_matches["window_starts"] == [0]


@st.composite
def _entities(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """Draw non-overlapping entities in any order, and the length of their sentence."""
    cuts = sorted(draw(st.sets(st.integers(0, 30), max_size=14)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    spans = [Span(start, end, draw(st.sampled_from(TYPES))) for start, end in pairs]
    return 30, draw(st.permutations(spans))


@pytest.mark.parametrize("scheme", list(ROLES))
@given(_entities())
def test_tags_equal_those_of_spans_to_tags(scheme: TagScheme, entities: tuple[int, list[Span]]) -> None:
    n_characters, spans = entities
    labels = LabelSet.of(TYPES, scheme=scheme)
    id_of = labels.tag_ids()
    found = tag_ids(
        _ints([span.start for span in spans]),
        _ints([span.end for span in spans]),
        _ints([labels.entity_types.index(span.label) for span in spans]),
        n_characters=n_characters,
        scheme=scheme,
    )
    assert found.tolist() == [id_of[tag] for tag in spans_to_tags(spans, n_characters=n_characters, scheme=scheme)]
    assert found.dtype == np.int16


@given(st.lists(st.text("中国。，a", max_size=20), max_size=6), st.integers(1, 8))
def test_windows_equal_those_of_single_sentences(texts: list[str], max_window: int) -> None:
    before, starts = windows_of(SentenceColumns.of(texts), max_window=max_window)
    found = [starts[begin:end].tolist() for begin, end in pairwise(before.tolist())]
    assert found == [window_starts(text, max_window=max_window) for text in texts]


def test_tokens_of_code_points_equal_those_of_characters() -> None:
    codes = SentenceColumns.of([CHARACTERS, "国中"]).codes
    assert TOKENS.ids_of_codes(codes).tolist() == TOKENS.ids([*CHARACTERS, "国", "中"]) == [4, 5, 6, 1, 1, 5, 4]
    assert TOKENS.ids_of_codes(codes[:0]).tolist() == []


@given(st.lists(st.lists(st.integers(0, 50), max_size=8), max_size=5))
def test_named_boundaries_are_all_ids_except_zero(columns: list[list[int]]) -> None:
    named = named_boundaries(np.array(column, dtype=np.int32) for column in columns)
    assert named.tolist() == sorted({number for column in columns for number in column} - {0})

"""The shard row, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.features.assemble import boundaries_named, shard_row
from ssmi.pipeline.features.tokens import CharacterTokens

TOKENS = CharacterTokens({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "中": 4, "国": 5, "。": 6})
CHARACTERS = ["中", "国", "。", "人A", "😀"]
LABELS = LabelSet.of(["PER", "GPE"], scheme="BMES")  # O, B-GPE M E S, B-PER M E S


def _selection(best: int, cosine: float | None, chosen: list[int], negatives: list[int]) -> dict[str, Any]:
    return {"best_id": best, "best_cosine": cosine, "set_ids": chosen, "negative_ids": negatives, "n_candidates": 9}


SELECTIONS = [
    _selection(7, 0.75, [7, 8], [1]),
    _selection(7, 0.5, [], [2, 3]),
    _selection(0, None, [], []),
    _selection(9, -0.25, [9], []),
    _selection(0, None, [], []),
]


def _row(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "sentence_id": 12,
        "characters": CHARACTERS,
        "entities": [Span(0, 2, "GPE"), Span(3, 4, "PER")],
        "selections": SELECTIONS,
        "local_ids": [7, 11, 0, 0, 0],
        "segment_starts": [0, 2, 3],
        "labels": LABELS,
        "tag_ids": LABELS.tag_ids(),
        "tokens": TOKENS,
        "max_window": 4,
        "hidden_start": None,
        "matches": None,
    }
    return shard_row(**{**given, **changed})


def test_every_field() -> None:
    assert _row() == {
        "sentence_id": 12,
        "characters": CHARACTERS,
        "token_ids": [4, 5, 6, 1, 1],
        "tag_ids": [1, 3, 0, 8, 0],
        "entities": [{"start": 0, "end": 2, "label": "GPE"}, {"start": 3, "end": 4, "label": "PER"}],
        "best_ids": [7, 7, 0, 9, 0],
        "best_cosines": [0.75, 0.5, 0.0, -0.25, 0.0],
        "set_ids": [[7, 8], [], [], [9], []],
        "negative_ids": [[1], [2, 3], [], [], []],
        "local_ids": [7, 11, 0, 0, 0],
        "segment_starts": [0, 2, 3],
        "window_starts": [0, 3],  # behind the full stop
        "match_starts": None,
        "match_ends": None,
        "match_ids": None,
        "hidden_start": None,
    }
    assert set(_row()) == set(schema.SHARDS.names)


def test_a_row_fits_the_contract(tmp_path: Path) -> None:
    rows = [_row(), _row(hidden_start=40, max_window=510, matches=[(0, 2, 7), (1, 3, 11)]), _row(matches=[])]
    tables.write_rows(tmp_path / "part.parquet", schema.SHARDS, rows)
    assert tables.read_rows(tmp_path / "part.parquet", schema.SHARDS) == rows
    assert rows[1]["hidden_start"] == 40 and rows[1]["window_starts"] == [0]
    assert [rows[1][f"match_{name}"] for name in ("starts", "ends", "ids")] == [[0, 1], [2, 3], [7, 11]]
    assert [rows[2][f"match_{name}"] for name in ("starts", "ends", "ids")] == [[], [], []]


def test_the_scheme_is_the_label_sets() -> None:
    labels = LabelSet.of(["PER", "GPE"], scheme="BIO")
    assert _row(labels=labels, tag_ids=labels.tag_ids())["tag_ids"] == [1, 2, 0, 3, 0]


def test_an_entity_type_outside_the_label_set_is_no_silent_tag() -> None:
    with pytest.raises(KeyError):
        _row(entities=[Span(0, 1, "ORG")])


def test_boundaries_named_by_rows() -> None:
    assert boundaries_named([]) == set()
    assert boundaries_named([_row(), _row(local_ids=[0, 0, 0, 0, 13])]) == {1, 2, 3, 7, 8, 9, 11, 13}
    assert boundaries_named([_row(matches=[(0, 2, 15)])]) - boundaries_named([_row()]) == {15}

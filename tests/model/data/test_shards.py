"""Opening shard folders, whole and broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.model.data.boundaries import BoundaryTable, ExpandableIndex
from ssmi.model.data.segment_positions import SEGMENT_POSITIONS
from ssmi.model.data.shards import RequiredFeatures, open_shards, read_split, split_of
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError


def test_a_split_is_what_the_rows_say(shards: Path, sentences: list[Any]) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True))
    assert len(tables.list_parts(shards, "train")) == 4
    assert len(split) == len(sentences)
    assert split.lengths.tolist() == [len(sentence.text) for sentence in sentences]
    assert [tuple(own) for own in split.gold] == [sentence.spans for sentence in sentences]
    ids = np.concatenate(([0], opened.boundaries.ids))[split.best_rows]
    expected = [sentence.best.get(place, 0) for sentence in sentences for place in range(len(sentence.text))]
    assert ids.tolist() == expected
    assert split.hidden is None


@pytest.mark.parametrize("kind", ["a part without rows", "no part"])
def test_an_empty_split(tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], kind: str) -> None:
    splits = {"train": sentences} | ({"dev": []} if kind == "a part without rows" else {})
    opened = open_shards(write_shards(tmp_path / "s", splits, hidden=True))
    split = read_split(opened, "dev", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True, hidden=True))
    assert len(split) == 0 and split.gold == [] and split.lengths.size == 0


def test_shards_without_any_boundary(tmp_path: Path, write_shards: Callable[..., Path], sentence: Any) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": [sentence("我[李|PER]")]}))
    assert opened.boundaries.vectors.shape == (0, 6)
    assert not read_split(
        opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True)
    ).best_rows.any()


def test_a_folder_that_was_never_built(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="not built"):
        open_shards(tmp_path / "none")


@pytest.mark.parametrize("fact", ["vocabulary_digest", "encoder_digest", "encoder_width", "max_window"])
def test_a_manifest_without_a_needed_fact(shards: Path, fact: str) -> None:
    path = shards / "manifest.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["report"]["statistics"][fact]
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=fact):
        open_shards(shards)


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("tag_ids", [99], "tag ids outside"),
        ("tag_ids", [0, 0], "differ in length"),
        ("best_ids", [12345], "names boundary 12345"),
        ("entities", [{"start": 0, "end": 1, "label": "XYZ"}], "XYZ"),
        ("window_starts", [], "do not tile"),
        ("window_starts", [1], "do not tile"),
        ("window_starts", [0, 1], "do not tile"),
    ],
)
def test_rows_that_break_the_contract_are_refused(shards: Path, column: str, value: Any, complaint: str) -> None:
    path = tables.part_path(shards, "train", 1)
    rows = tables.read_rows(path, schema.SHARDS)
    place = next(index for index, row in enumerate(rows) if len(row["characters"]) == 1)
    rows[place][column] = value
    tables.write_rows(path, schema.SHARDS, rows)
    opened = open_shards(shards)
    with pytest.raises(StaleArtifactError, match=complaint):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True))


def test_a_window_longer_than_the_shards_promise(
    tmp_path: Path, write_shards: Callable[..., Path], sentence: Any
) -> None:
    long = sentence("我在[上海|LOC]工作，" * 5, windows=(0, 4))
    opened = open_shards(write_shards(tmp_path / "s", {"train": [long]}, statistics={"max_window": 20}))
    with pytest.raises(StaleArtifactError, match="do not tile"):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True))


def test_a_missing_part_is_not_trained_without(shards: Path) -> None:
    tables.part_path(shards, "train", 1).unlink()
    with pytest.raises(StaleArtifactError, match=r"train/part-00001\.parquet is missing"):
        open_shards(shards)


@pytest.mark.parametrize("damage", ["missing", "too short", "float32", "not an array"])
def test_hidden_states_that_do_not_fit(shards: Path, damage: str) -> None:
    path = shards / "train" / "part-00001.hidden.npy"
    states = np.load(path)
    path.unlink()
    if damage == "too short":
        np.save(path, states[:-1])
    elif damage == "float32":
        np.save(path, states.astype(np.float32))
    elif damage == "not an array":
        path.write_text("none", encoding="utf-8")
    opened = open_shards(shards)
    with pytest.raises(StaleArtifactError, match=r"part-00001\.hidden\.npy.*shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True, hidden=True))


def test_rows_of_follows_any_order_and_extension_keeps_what_is_there() -> None:
    first = BoundaryTable(np.array([30, 10]), np.array([[3.0], [1.0]], np.float32))
    second = BoundaryTable(np.array([10, 20]), np.array([[9.0], [2.0]], np.float32))
    both = first.extended_by(second)
    assert both.ids.tolist() == [30, 10, 20]
    assert both.vectors.ravel().tolist() == [3.0, 1.0, 2.0]
    assert both.rows_of(np.array([0, 10, 20, 30, 0]), source="here").tolist() == [0, 2, 3, 1, 0]
    with pytest.raises(StaleArtifactError, match="here: names boundary 31"):
        both.rows_of(np.array([10, 31]), source="here")


def test_an_index_gives_new_boundaries_the_next_rows_until_it_is_reset() -> None:
    growing = ExpandableIndex(BoundaryTable(np.array([30, 10]), np.zeros((2, 1), np.float32)))
    assert growing.lacks(np.array([10, 7, 900, 30])).tolist() == [7, 900]
    for _ in range(2):
        assert [growing.add(np.array([900, 7])), growing.add(np.array([8]))] == [3, 5]
        assert growing.n_new == 3
        asked = np.array([0, 8, 7, 900, 30, 10])
        assert growing.rows_of(asked, source="here").tolist() == [0, 5, 4, 3, 1, 2]
        assert growing.lacks(asked[1:]).size == 0
        growing.reset()
        assert growing.n_new == 0 and growing.lacks(asked[1:]).tolist() == [8, 7, 900]
    with pytest.raises(StaleArtifactError, match="here: names boundary 900"):
        growing.rows_of(np.array([10, 900]), source="here")


def test_places_in_segments(tmp_path: Path, write_shards: Callable[..., Any], sentences: list[Any]) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences})
    opened = open_shards(folder)
    split = read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(segment_positions=True))
    rows = [row for part in tables.list_parts(folder, "train") for row in tables.read_rows(part, schema.SHARDS)]
    expected = []
    for row in rows:
        starts, n_characters = row["segment_starts"], len(row["characters"])
        for start, end in zip(starts, [*starts[1:], n_characters], strict=True):
            inner = ["inner"] * (end - start - 2)
            expected += ["alone"] if end - start == 1 else ["first", *inner, "last"]
    assert split.segment_positions is not None
    assert [SEGMENT_POSITIONS[place] for place in split.segment_positions] == expected
    assert set(expected) == set(SEGMENT_POSITIONS[1:])
    online = split_of(rows, boundaries=opened.boundaries, wanted=RequiredFeatures(segment_positions=True))
    assert (
        online.segment_positions is not None and online.segment_positions.tolist() == split.segment_positions.tolist()
    )
    assert (
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures()).segment_positions is None
    )


@pytest.mark.parametrize("starts", [[], [1], [0, 900]])
def test_segments_that_do_not_tile_their_sentence(
    tmp_path: Path, write_shards: Callable[..., Any], sentences: list[Any], starts: list[int]
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences[:1]})
    path = tables.part_path(folder, "train", 0)
    rows = tables.read_rows(path, schema.SHARDS)
    rows[0]["segment_starts"] = starts
    tables.write_rows(path, schema.SHARDS, rows)
    opened = open_shards(folder)
    with pytest.raises(StaleArtifactError, match="segments that do not tile"):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(segment_positions=True))

"""Opening intact and damaged shard folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.model.data.online_rows import split_of
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables


def test_split_holds_the_values_of_its_rows(shards: Path, sentences: list[Any]) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))
    assert len(tables.list_parts(shards, "train")) == 4
    assert len(split) == len(sentences)
    assert split.lengths.tolist() == [len(sentence.text) for sentence in sentences]
    assert [tuple(spans) for spans in split.gold] == [sentence.spans for sentence in sentences]
    ids = np.concatenate(([0], opened.boundaries.ids))[split.best_rows]
    expected = [sentence.best.get(place, 0) for sentence in sentences for place in range(len(sentence.text))]
    assert ids.tolist() == expected
    assert split.hidden is None


@pytest.mark.parametrize("kind", ["a part without rows", "no part"])
def test_empty_split_is_read(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], kind: str
) -> None:
    splits = {"train": sentences} | ({"dev": []} if kind == "a part without rows" else {})
    opened = open_shards(write_shards(tmp_path / "s", splits, hidden=True))
    split = read_split(opened, "dev", boundaries=opened.boundaries, required=RequiredFeatures(best=True, hidden=True))
    assert len(split) == 0 and split.gold == [] and split.lengths.size == 0


def test_shards_without_boundaries_are_read(tmp_path: Path, write_shards: Callable[..., Path], sentence: Any) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": [sentence("我[李|PER]")]}))
    assert opened.boundaries.vectors.shape == (0, 6)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))
    assert split.best_rows is not None and not split.best_rows.any()


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="not built"):
        open_shards(tmp_path / "none")


@pytest.mark.parametrize("statistic", ["vocabulary_digest", "encoder_digest", "encoder_width", "max_window"])
def test_manifest_without_a_required_statistic_is_refused(
    shards: Path, reseal: Callable[..., None], statistic: str
) -> None:
    reseal(shards, lambda body: body["report"]["statistics"].pop(statistic))
    with pytest.raises(StaleArtifactError, match=statistic):
        open_shards(shards)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("tag_ids", [99], "tag ids outside"),
        ("tag_ids", [0, 0], "differ in length"),
        ("best_ids", [12345], "names boundary 12345"),
        ("entities", [{"start": 0, "end": 1, "label": "XYZ"}], "XYZ"),
        ("window_starts", [], "do not tile"),
        ("window_starts", [1], "do not tile"),
        ("window_starts", [0, 1], "do not tile"),
        ("match_ids", [], "matches differ in length"),
        ("match_ends", [2], "matches outside their sentence"),
        ("match_ends", [0], "matches outside their sentence"),
        ("match_starts", [-1], "matches outside their sentence"),
        ("match_ids", None, "no matches in it"),
        ("match_ids", [12345], "names boundary 12345"),
    ],
)
def test_invalid_rows_are_refused(
    shards: Path, reseal: Callable[..., None], column: str, value: Any, message: str
) -> None:
    path = tables.part_path(shards, "train", 1)
    rows = tables.read_rows(path, schema.SHARDS)
    place = next(index for index, row in enumerate(rows) if len(row["characters"]) == 1)
    rows[place] |= {"match_starts": [0], "match_ends": [1], "match_ids": [8]}
    rows[place][column] = value
    tables.write_rows(path, schema.SHARDS, rows)
    reseal(shards)
    opened = open_shards(shards)
    with pytest.raises(StaleArtifactError, match=message):
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True, matches=True))


def test_window_longer_than_the_manifest_allows_is_refused(
    tmp_path: Path, write_shards: Callable[..., Path], sentence: Any
) -> None:
    long = sentence("我在[上海|LOC]工作，" * 5, windows=(0, 4))
    opened = open_shards(write_shards(tmp_path / "s", {"train": [long]}, statistics={"max_window": 20}))
    with pytest.raises(StaleArtifactError, match="do not tile"):
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))


def test_missing_part_is_refused(shards: Path) -> None:
    tables.part_path(shards, "train", 1).unlink()
    with pytest.raises(StaleArtifactError, match=r"train/part-00001\.parquet is missing"):
        open_shards(shards)


def test_matches_are_equal_from_shards_and_online(shards: Path, sentences: list[Any]) -> None:
    opened = open_shards(shards)
    required = RequiredFeatures(matches=True)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required)
    assert split.matches is not None and split.best_rows is None
    ids = np.concatenate(([0], opened.boundaries.ids))[split.matches.rows]
    matches = list(zip(split.matches.starts, split.matches.ends, ids, strict=True))
    assert matches == [match for sentence in sentences for match in sentence.matches]
    assert np.diff(split.matches.offsets).tolist() == [len(sentence.matches) for sentence in sentences]
    rows: list[Any] = [
        row for path in tables.list_parts(shards, "train") for row in tables.read_rows(path, schema.SHARDS)
    ]
    online = split_of(rows, boundaries=opened.boundaries, required=required).matches
    assert online is not None
    for name in ("offsets", "starts", "ends", "rows"):
        assert np.array_equal(getattr(online, name), getattr(split.matches, name)), name


def test_missing_matches_are_reported_with_the_build_setting(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any]
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}, matches=False))
    assert not opened.statistics.matches
    plain = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))
    assert plain.matches is None
    with pytest.raises(StaleArtifactError, match=r"-S shards\.matches=true"):
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(matches=True))

"""The position of each character in its segment, read from shards and computed online."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.data.features.segment_positions import SEGMENT_POSITIONS
from ssmi.model.data.online_rows import split_of
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables


def test_positions_follow_the_segment_starts(
    tmp_path: Path, write_shards: Callable[..., Any], sentences: list[Any]
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences})
    opened = open_shards(folder)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(segment_positions=True))
    rows = [row for part in tables.list_parts(folder, "train") for row in tables.read_rows(part, schema.SHARDS)]
    expected = []
    for row in rows:
        starts, n_characters = row["segment_starts"], len(row["characters"])
        for start, end in zip(starts, [*starts[1:], n_characters], strict=True):
            inner = ["inner"] * (end - start - 2)
            expected += ["alone"] if end - start == 1 else ["first", *inner, "last"]
    assert split.segment_positions is not None
    assert [SEGMENT_POSITIONS[position] for position in split.segment_positions] == expected
    assert set(expected) == set(SEGMENT_POSITIONS[1:])
    online = split_of(rows, boundaries=opened.boundaries, required=RequiredFeatures(segment_positions=True))
    assert (
        online.segment_positions is not None and online.segment_positions.tolist() == split.segment_positions.tolist()
    )
    assert (
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures()).segment_positions is None
    )


@pytest.mark.parametrize("starts", [[], [1], [0, 900]])
def test_segments_that_do_not_tile_a_sentence_are_refused(
    tmp_path: Path,
    write_shards: Callable[..., Any],
    reseal: Callable[..., None],
    sentences: list[Any],
    starts: list[int],
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences[:1]})
    path = tables.part_path(folder, "train", 0)
    rows = tables.read_rows(path, schema.SHARDS)
    rows[0]["segment_starts"] = starts
    tables.write_rows(path, schema.SHARDS, rows)
    reseal(folder)
    opened = open_shards(folder)
    with pytest.raises(StaleArtifactError, match="segments that do not tile"):
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(segment_positions=True))

"""The cosine gate of each best boundary, read from shards and computed online."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.batches import collate
from ssmi.model.data.features.cosine_gates import cosine_gates
from ssmi.model.data.online_rows import split_of
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.boundary_selection import select_rows

COSINES = st.lists(st.floats(-1, 1, width=32), max_size=12)


@given(cosines=COSINES, threshold=st.floats(-1, 1))
def test_gate_is_the_best_cosine_above_the_threshold(cosines: list[float], threshold: float) -> None:
    params = SelectionParams(threshold=threshold)
    ids = np.arange(1, len(cosines) + 1, dtype=np.int32)
    chosen = select_rows([(ids, np.array([cosines], dtype=np.float32))], params=params)
    best = max(cosines, default=0.0)
    (gate,) = cosine_gates(chosen.best_cosines, chosen.set_lengths)
    assert gate == (max(best, 0.0) if cosines and best > np.float32(threshold) else 0.0)


def test_gates_are_equal_from_shards_and_online(
    tmp_path: Path, write_shards: Callable[..., Any], sentences: list[Any]
) -> None:
    # The third sentence has a best boundary below the threshold, so its set is empty.
    train_sentences = [*sentences[:2], replace(sentences[2], sets={})]
    folder = write_shards(tmp_path / "s", {"train": train_sentences})
    rows = tables.read_rows(tables.part_path(folder, "train", 0), schema.SHARDS)
    opened, required = open_shards(folder), RequiredFeatures(best=True, cosine_gates=True)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required)
    online = split_of(rows, boundaries=opened.boundaries, required=required)
    expected = [
        0.75 if sentence.best.get(place) and sentence.sets else 0.0
        for sentence in train_sentences
        for place in range(len(sentence.text))
    ]
    assert set(expected) == {0.0, 0.75} and split.set_rows is None
    for result in (split, online):
        assert result.cosine_gates is not None and result.cosine_gates.dtype == np.float32
        assert result.cosine_gates.tolist() == expected
    batch = collate(split, np.arange(3))
    assert batch.cosine_gates is not None and batch.cosine_gates[batch.mask].tolist() == expected
    assert not batch.cosine_gates[~batch.mask].any()
    plain = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))
    assert plain.cosine_gates is None

"""A streamed split: each sentence once per epoch, in a seeded order, with the same tensors as a split in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.model.data.batches import MAX_PADDED_CHARACTERS, Batch, collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.model.data.training_data import StreamedSplit, WholeSplit
from ssmi.pipeline.contract.errors import StaleArtifactError

EVERYTHING = RequiredFeatures(
    best=True, local=True, sets=True, negatives=True, segment_positions=True, hidden=True, special_states=True
)
CPU = torch.device("cpu")


def streamed(shards: Path, *, buffer: int = 4, required: RequiredFeatures = EVERYTHING) -> StreamedSplit:
    return StreamedSplit.open(open_shards(shards), "train", required=required, buffer=buffer)


def in_memory(shards: Path, *, required: RequiredFeatures = EVERYTHING) -> Split:
    opened = open_shards(shards)
    return read_split(opened, "train", boundaries=opened.boundaries, required=required)


def rows_of(batches: Sequence[Any]) -> list[list[int]]:
    return [rows.tolist() for rows in batches]


def test_stream_statistics_equal_those_of_the_split(shards: Path) -> None:
    required = RequiredFeatures(matches=True)
    stream, split = streamed(shards, required=required), WholeSplit(in_memory(shards, required=required))
    assert stream.lengths.tolist() == split.lengths.tolist()
    assert stream.largest_token_id == split.largest_token_id > 0
    assert stream.longest_entity == split.longest_entity == 4  # 人民公园
    counts = stream.word_counts(n_rows=20)
    assert counts is not None and counts.tolist() == split.word_counts(n_rows=20).tolist() and counts.any()  # type: ignore[union-attr]
    assert streamed(shards).word_counts(n_rows=20) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=7),
    buffer=st.integers(1, 12),
    batch_size=st.integers(1, 5),
    epoch=st.integers(1, 9),
    data=st.data(),
)
def test_batches_hold_each_sentence_once_within_a_buffer(
    sizes: list[int], buffer: int, batch_size: int, epoch: int, data: st.DataObject
) -> None:
    """Holds for any lengths, parts and settings; the plan reads nothing from disk."""
    lengths = np.array(data.draw(st.lists(st.integers(0, 900), min_size=sum(sizes), max_size=sum(sizes))), np.int32)
    offsets = np.cumsum([0, *sizes])
    paths = [Path(f"part-{number}") for number in range(len(sizes))]
    stream = StreamedSplit(None, paths, RequiredFeatures(), buffer, lengths, offsets, 1, 1)
    batches = stream.batches(batch_size=batch_size, seed=3, epoch=epoch)
    assert sorted(chain.from_iterable(rows_of(batches))) == np.flatnonzero(lengths).tolist()
    assert rows_of(batches) == rows_of(stream.batches(batch_size=batch_size, seed=3, epoch=epoch))
    parts = [set((np.searchsorted(offsets, rows, side="right") - 1).tolist()) for rows in batches]
    for rows in batches:
        assert len(rows) <= batch_size
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= MAX_PADDED_CHARACTERS
    for batch_parts in parts:
        # A buffer ends with the part that fills it.
        assert sum(sorted(sizes[part] for part in batch_parts)[:-1]) < buffer


def test_order_depends_on_seed_and_epoch(shards: Path) -> None:
    stream = streamed(shards)
    orders = {
        (seed, epoch): tuple(chain.from_iterable(rows_of(stream.batches(batch_size=2, seed=seed, epoch=epoch))))
        for seed in (1, 2)
        for epoch in (1, 2, 3)
    }
    assert len(set(orders.values())) == 6
    assert {tuple(sorted(order)) for order in orders.values()} == {tuple(range(10))}
    # The order of the parts changes too, not only that of the sentences within them.
    assert len({tuple(dict.fromkeys(row // 3 for row in order)) for order in orders.values()}) > 2


def assert_same(batch: Batch, expected: Batch) -> None:
    """Compare all tensors; sets are padded to the widest set of the buffer with row 0, no boundary."""
    for name in ("token_ids", "tag_ids", "mask", "best_rows", "local_rows", "segment_positions", "hidden"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    assert batch.special_states is not None and torch.equal(batch.special_states, expected.special_states)
    for name in ("set_rows", "negative_rows"):
        actual_rows, expected_rows = getattr(batch, name), getattr(expected, name)
        width = min(actual_rows.shape[2], expected_rows.shape[2])
        assert torch.equal(actual_rows[..., :width], expected_rows[..., :width]), name
        assert not actual_rows[..., width:].any() and not expected_rows[..., width:].any()
    for name in ("char_of_cell", "lengths", "sentences", "cell_of_char"):
        assert torch.equal(getattr(batch.windows, name), getattr(expected.windows, name)), name


@pytest.mark.parametrize("buffer", [1, 4, 100])
@pytest.mark.parametrize("done", [0, 3])
def test_streamed_batches_equal_those_in_memory(shards: Path, buffer: int, done: int) -> None:
    """Includes the remaining batches of a run that is resumed within an epoch."""
    stream, split = streamed(shards, buffer=buffer), in_memory(shards)
    plan = stream.batches(batch_size=2, seed=5, epoch=2)[done:]
    batches = list(stream.collated(plan, seed=5, epoch=2, device=CPU))
    assert len(batches) == len(plan) > 1
    for batch, rows in zip(batches, plan, strict=True):
        assert_same(batch, collate(split, rows))


def test_only_the_next_buffer_is_read_ahead_and_threads_end(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = streamed(shards, buffer=1)
    plan = stream.batches(batch_size=2, seed=5, epoch=1)
    order = list(dict.fromkeys(int(rows[0]) // 3 for rows in plan))
    # The part read third is not needed until the second buffer is started.
    stream.paths[order[2]].unlink()
    batches = stream.collated(plan, seed=5, epoch=1, device=CPU)
    n_first = sum(int(rows[0]) // 3 == order[0] for rows in plan)
    for _ in range(n_first):
        next(batches)
    batches.close()
    assert not any(thread.name.startswith(("read", "collate")) for thread in threading.enumerate())
    with pytest.raises(Exception, match="part-"):
        list(stream.collated(plan, seed=5, epoch=1, device=CPU))


def test_missing_states_are_refused(tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any]) -> None:
    shards = write_shards(tmp_path / "s", {"train": sentences})
    stream = streamed(shards, required=RequiredFeatures(hidden=True))
    plan = stream.batches(batch_size=2, seed=5, epoch=1)
    with pytest.raises(StaleArtifactError, match="no hidden states"):
        list(stream.collated(plan, seed=5, epoch=1, device=CPU))


def test_an_empty_split_has_no_batches(tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any]) -> None:
    stream = streamed(write_shards(tmp_path / "s", {"train": [], "dev": sentences}))
    assert stream.batches(batch_size=2, seed=1, epoch=1) == [] and not stream.longest_entity
    assert list(stream.collated([], seed=1, epoch=1, device=CPU)) == []

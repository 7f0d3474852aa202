"""Batches: every sentence once, bounded size, and tensors that match the shards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.batches import MAX_PADDED_CHARACTERS, collate, evaluation_batches, prefetch, training_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures, Split

length_arrays = st.lists(st.integers(0, 1500), max_size=300).map(lambda values: np.array(values, dtype=np.int64))


@given(lengths=length_arrays, batch_size=st.integers(1, 20), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_batches_hold_each_nonempty_sentence_once_within_the_limit(
    lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> None:
    for batches in (
        training_batches(lengths, batch_size=batch_size, seed=seed, epoch=epoch),
        evaluation_batches(lengths, batch_size=batch_size),
    ):
        assert sorted(row for rows in batches for row in rows) == np.flatnonzero(lengths).tolist()
        for rows in batches:
            assert 1 <= len(rows) <= batch_size
            assert len(rows) == 1 or len(rows) * lengths[rows].max() <= MAX_PADDED_CHARACTERS


def test_batches_depend_on_seed_and_epoch_only() -> None:
    lengths = np.random.default_rng(0).integers(1, 90, 400)

    def batch_rows(**options: int) -> list[list[int]]:
        return [rows.tolist() for rows in training_batches(lengths, batch_size=16, **options)]

    assert batch_rows(seed=1, epoch=1) == batch_rows(seed=1, epoch=1)
    assert batch_rows(seed=1, epoch=1) != batch_rows(seed=1, epoch=2)
    assert batch_rows(seed=1, epoch=1) != batch_rows(seed=2, epoch=1)


def test_batches_hold_sentences_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 90, 1600)
    batches = training_batches(lengths, batch_size=16, seed=1, epoch=1)
    padded = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    assert padded < 1.06 * lengths.sum()
    longest = [int(lengths[rows].max()) for rows in batches]
    assert longest != sorted(longest)


def test_collate_pads_on_the_right_and_windows_hold_every_character_once(shards: Path) -> None:
    split = _read_train(shards)
    rows = np.array([9, 5, 0])
    batch = collate(split, rows)
    assert batch.mask.sum(1).tolist() == split.lengths[rows].tolist()
    for index, row in enumerate(rows):
        row_slice = slice(split.offsets[row], split.offsets[row + 1])
        length = split.lengths[row]
        for tensor, values in (
            (batch.token_ids, split.token_ids),
            (batch.tag_ids, split.tag_ids),
            (batch.best_rows, split.best_rows),
        ):
            assert tensor is not None and values is not None
            assert tensor[index].tolist() == values[row_slice].tolist() + [0] * (batch.mask.shape[1] - length)
    windows = batch.windows
    assert windows.lengths.tolist() == [14, 21, 7, 1, 8]
    cell_characters = windows.char_of_cell[windows.char_of_cell >= 0]
    characters = batch.mask.view(-1).nonzero().view(-1)
    assert sorted(cell_characters.tolist()) == characters.tolist()
    assert torch.equal(windows.char_of_cell.view(-1)[windows.cell_of_char[batch.mask]], characters)


def test_hidden_states_follow_their_sentences(shards: Path) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True, hidden=True))
    batch = collate(split, np.array([9, 2]))
    assert batch.hidden is not None and split.hidden is not None
    assert batch.hidden.dtype == torch.float32
    last = np.load(shards / "train" / "part-00003.hidden.npy")
    assert np.array_equal(batch.hidden[0].numpy(), last.astype(np.float32))
    first = np.load(shards / "train" / "part-00000.hidden.npy").astype(np.float32)
    assert np.array_equal(batch.hidden[1, : split.lengths[2]].numpy(), first[-split.lengths[2] :])
    assert not batch.hidden[1, split.lengths[2] :].any()


def test_prefetched_batches_equal_collated_batches(shards: Path) -> None:
    split = _read_train(shards)
    plan = training_batches(split.lengths, batch_size=3, seed=1, epoch=1)
    batches = list(prefetch(split, plan, device=torch.device("cpu")))
    for batch, rows in zip(batches, plan, strict=True):
        expected = collate(split, rows)
        assert np.array_equal(batch.rows, rows)
        assert torch.equal(batch.token_ids, expected.token_ids) and torch.equal(batch.best_rows, expected.best_rows)


def test_prefetch_reads_only_one_batch_ahead(shards: Path) -> None:
    split = _read_train(shards)
    plan = training_batches(split.lengths, batch_size=2, seed=1, epoch=1)
    requested: list[int] = []

    def recorded() -> Iterator[Ids]:
        for rows in plan:
            requested.append(len(requested))
            yield rows

    batches = prefetch(split, recorded(), device=torch.device("cpu"))
    next(batches)
    assert requested == [0, 1]
    batches.close()
    assert requested == [0, 1]
    assert not any(thread.name.startswith("collate") for thread in threading.enumerate())


def test_collate_errors_reach_the_caller(shards: Path) -> None:
    split = _read_train(shards)
    with pytest.raises(IndexError):
        list(prefetch(split, [np.array([0]), np.array([len(split)])], device=torch.device("cpu")))


def _read_train(shards: Path) -> Split:
    opened = open_shards(shards)
    return read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))


def test_batch_holds_the_words_covering_each_character(shards: Path, sentences: list[Any]) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(matches=True))
    assert split.matches is not None
    rows = np.array([9, 5, 0])
    batch = collate(split, rows)
    assert batch.word_rows is not None and batch.word_roles is not None and batch.best_rows is None
    ids = np.concatenate(([0], opened.boundaries.ids))
    for index, row in enumerate(rows):
        for place in range(batch.mask.shape[1]):
            covering = [number for start, end, number in sentences[row].matches if start <= place < end]
            assert ids[batch.word_rows[index, place]].tolist()[: len(covering)] == covering
            assert not batch.word_rows[index, place, len(covering) :].any()
    assert batch.to(torch.device("cpu")).word_roles is not None
    assert collate(_read_train(shards), rows).word_rows is None


def test_cells_hold_the_values_of_their_characters(shards: Path) -> None:
    batch = collate(_read_train(shards), np.array([9, 0]))
    windows = batch.windows
    values = torch.arange(1, batch.mask.numel() + 1).view(batch.mask.shape)
    cells = windows.cells(values)
    assert cells.shape == windows.char_of_cell.shape
    assert torch.equal(cells, windows.char_of_cell + 1)
    stacked = windows.cells(torch.stack((values, -values), dim=-1))
    assert torch.equal(stacked[..., 1], -cells)
    assert windows.cells(values > 0).dtype == torch.bool
    assert torch.equal(windows.cells(values > 0), windows.char_of_cell >= 0)

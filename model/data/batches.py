"""Which sentences form a batch, and a batch's tensors."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssmi.model.data.boundaries import Ids, Rows
from ssmi.model.data.shards import Split

MAX_PADDED_CHARACTERS = 4096
"""Sentences times the longest one's characters that a batch may reach; a longer sentence goes alone."""
EVALUATION_BATCH = 64
"""Sentences at once without training; they cost little then, and ``MAX_PADDED_CHARACTERS`` still caps them."""
_POOL = 50
"""Batches whose sentences are sorted by length together: enough for little padding, few enough to stay shuffled."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The pieces in which sentences go through the encoder: [CLS], a window's characters, [SEP], padding.

    sources: each cell's character, as ``sentence * length + position`` in the batch; -1 where a cell holds none.
        Shape: (n_windows, size)
    lengths: characters of each window. Shape: (n_windows,)
    sentences: whose window it is, rising. Shape: (n_windows,)
    places: each character's cell, as ``window * size + cell``; 0 for padding. Shape: (batch, length)
    """

    sources: Tensor
    lengths: Tensor
    sentences: Tensor
    places: Tensor

    def to(self, device: torch.device) -> Windows:
        """The same on a device."""
        return Windows(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences, padded on the right.

    rows: the sentences' places in the split. Shape: (batch,)
    token_ids, tag_ids: int64, padded with 0. Shape: (batch, length)
    mask: bool, True on characters. Shape: (batch, length)
    best_rows, local_rows: embedding rows, 0 for none and for padding, where wanted. Shape: (batch, length)
    set_rows, negative_rows: likewise. Shape: (batch, length, largest set of the split)
    places: where each character stands in its segment, 0 for padding, where wanted. Shape: (batch, length)
    hidden: stored states as float32, or None. Shape: (batch, length, hidden_width)
    """

    rows: Ids
    token_ids: Tensor
    tag_ids: Tensor
    mask: Tensor
    windows: Windows
    best_rows: Tensor | None = None
    local_rows: Tensor | None = None
    set_rows: Tensor | None = None
    negative_rows: Tensor | None = None
    places: Tensor | None = None
    hidden: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        values: list[Any] = [getattr(self, field.name) for field in fields(self)]
        moved: list[Any] = [value.to(device) if isinstance(value, Tensor | Windows) else value for value in values]
        return Batch(*moved)


def training_batches(lengths: Ids, *, batch_size: int, seed: int, epoch: int) -> list[Ids]:
    """Every non-empty sentence once, in batches of like length and random order; depends on nothing else."""
    random = np.random.default_rng([seed, epoch])
    shuffled = random.permutation(np.flatnonzero(lengths))
    pool = batch_size * _POOL
    batches: list[Ids] = []
    for start in range(0, len(shuffled), pool):
        rows = shuffled[start : start + pool]
        batches.extend(_cut(rows[np.argsort(lengths[rows], kind="stable")], lengths, batch_size=batch_size))
    return [batches[place] for place in random.permutation(len(batches))]


def evaluation_batches(lengths: Ids, *, batch_size: int) -> list[Ids]:
    """Every non-empty sentence once, shortest first."""
    rows = np.argsort(lengths, kind="stable")
    return list(_cut(rows[lengths[rows] > 0], lengths, batch_size=batch_size))


def _cut(rows: Ids, lengths: Ids, *, batch_size: int) -> Iterable[Ids]:
    """Cut rows, sorted by length, so that no batch outgrows ``batch_size`` or MAX_PADDED_CHARACTERS."""
    start = 0
    for end, length in enumerate(lengths[rows].tolist()):
        n_rows = end - start
        if n_rows == batch_size or (n_rows and (n_rows + 1) * length > MAX_PADDED_CHARACTERS):
            yield rows[start:end]
            start = end
    if start < len(rows):
        yield rows[start:]


def collate(split: Split, rows: Ids) -> Batch:
    """Gather sentences, none of them empty, into padded tensors."""
    lengths = split.lengths[rows]
    positions = np.arange(lengths.max())
    mask = positions < lengths[:, None]
    flat = (split.offsets[rows][:, None] + positions)[mask]

    def padded(values: npt.NDArray[np.signedinteger]) -> Tensor:
        square = np.zeros((*mask.shape, *values.shape[1:]), dtype=np.int64)
        square[mask] = values[flat]
        return torch.from_numpy(square)

    def rows_of(values: Rows | None) -> Tensor | None:
        return None if values is None else padded(values)

    return Batch(
        rows,
        padded(split.token_ids),
        padded(split.tag_ids),
        torch.from_numpy(mask),
        _windows(split, rows, lengths),
        rows_of(split.best_rows),
        rows_of(split.local_rows),
        rows_of(split.set_rows),
        rows_of(split.negative_rows),
        rows_of(split.places),
        None if split.hidden is None else split.hidden.gather(rows, lengths=lengths),
    )


def prefetch(split: Split, batches: Iterable[Ids], *, device: torch.device) -> Generator[Batch, None, None]:
    """Each batch on the device; a thread gathers the next one while the caller works. Close it to stop early."""

    def gather(rows: Ids) -> Batch:
        return collate(split, rows).to(device)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="collate") as thread:
        coming: Future[Batch] | None = None
        for rows in batches:
            following = thread.submit(gather, rows)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _windows(split: Split, rows: Ids, lengths: Ids) -> Windows:
    counts = split.window_offsets[rows + 1] - split.window_offsets[rows]
    owners = np.repeat(np.arange(len(rows)), counts)
    lasts = np.cumsum(counts) - 1
    starts = split.window_starts[
        np.arange(counts.sum()) + np.repeat(split.window_offsets[rows] - (lasts + 1 - counts), counts)
    ].astype(np.int64)
    ends = np.append(starts[1:], 0)
    ends[lasts] = lengths
    inside = np.arange(-1, (ends - starts).max() + 1)
    holds = (inside >= 0) & (inside < (ends - starts)[:, None])
    sources = np.where(holds, (owners * lengths.max() + starts)[:, None] + inside, -1)
    places = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
    places.ravel()[sources[holds]] = np.flatnonzero(holds)
    return Windows(*map(torch.from_numpy, (sources, ends - starts, owners, places)))

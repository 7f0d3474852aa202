"""Group sentences into batches and build the tensors of a batch."""

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
from ssmi.model.data.split import Split
from ssmi.pipeline.contract.parquet.feature_rows import LONGEST_SENTENCE

MAX_PADDED_CHARACTERS = LONGEST_SENTENCE
"""Limit on a batch's sentences times the characters of its longest; a sentence beyond it forms a batch alone."""
EVALUATION_BATCH = 64
"""Sentences per batch outside training, where a sentence costs little; ``MAX_PADDED_CHARACTERS`` still applies."""
_POOL = 50
"""Batches whose sentences are sorted by length together: enough to limit padding, few enough to keep the shuffle."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows in which sentences pass through the encoder: [CLS], the window's characters, [SEP], padding.

    Characters and cells are flat indices into the batch and the windows, so that one gather maps between the two.

    Attributes:
        char_of_cell: The character in each cell, as ``sentence * length + position`` in the batch; -1 if the cell
            holds no character. Shape: (n_windows, size)
        lengths: Characters of each window. Shape: (n_windows,)
        sentences: The sentence of each window, ascending. Shape: (n_windows,)
        cell_of_char: The cell of each character, as ``window * size + cell``; 0 for padding. Shape: (batch, length)

    """

    char_of_cell: Tensor
    lengths: Tensor
    sentences: Tensor
    cell_of_char: Tensor

    def cells(self, values: Tensor) -> Tensor:
        """Map values of characters to the cells of the windows; zero (False) in cells without a character.

        Args:
            values: One value per character. Shape: (batch, length, ...)

        Returns:
            One value per cell. Shape: (n_windows, size, ...)

        """
        of_cells = values.flatten(0, 1)[self.char_of_cell.clamp(min=0)]
        holds = self.char_of_cell >= 0
        return of_cells * holds.view(*holds.shape, *[1] * (of_cells.ndim - 2))

    def to(self, device: torch.device) -> Windows:
        """Return the windows on a device."""
        return Windows(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences padded on the right. Features that the network does not read are None.

    Attributes:
        rows: The sentences' indices in the split. Shape: (batch,)
        token_ids: int64, padded with 0. Shape: (batch, length)
        tag_ids: int64, padded with 0. Shape: (batch, length)
        mask: bool, True on characters. Shape: (batch, length)
        windows: The windows in which the sentences pass through the encoder.
        best_rows: Embedding row of the best boundary S_m, 0 for none and for padding. Shape: (batch, length)
        local_rows: Embedding row of the local boundary. Shape: (batch, length)
        set_rows: Embedding rows of the boundary set S_s. Shape: (batch, length, largest set of the split)
        negative_rows: Embedding rows of the negatives. Shape: (batch, length, most negatives of the split)
        segment_positions: Position of each character in its segment, 0 for padding. Shape: (batch, length)
        boundary_roles: Position of each character in its best boundary, 0 for padding. Shape: (batch, length)
        cosine_gates: Weight of each best boundary, float32, 0 for padding. Shape: (batch, length)
        hidden: States of the frozen encoder, float32. Shape: (batch, length, hidden_width)
        special_states: States of [CLS] and [SEP] of each window, float32. Shape: (n_windows, 2, hidden_width)
        word_rows: Embedding rows of the words that cover each character, padded with 0. Shape: (batch, length, most
            words of a character)
        word_roles: Role of the character in each of these words, an index of ``ROLES``. Shape as ``word_rows``

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
    segment_positions: Tensor | None = None
    boundary_roles: Tensor | None = None
    cosine_gates: Tensor | None = None
    hidden: Tensor | None = None
    special_states: Tensor | None = None
    word_rows: Tensor | None = None
    word_roles: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        values: list[Any] = [getattr(self, field.name) for field in fields(self)]
        moved: list[Any] = [value.to(device) if isinstance(value, Tensor | Windows) else value for value in values]
        return Batch(*moved)


def training_batches(lengths: Ids, *, batch_size: int, seed: int, epoch: int) -> list[Ids]:
    """Return the batches of an epoch: every non-empty sentence once, grouped by similar length, in random order.

    The batches depend on the arguments alone, so that a resumed run continues with exactly the remaining batches.

    Args:
        lengths: Characters of each sentence. Shape: (n_sentences,)
        batch_size: Maximum number of sentences per batch.
        seed: ``train.seed``.
        epoch: Number of the epoch, from 1.

    Returns:
        The indices of the sentences of each batch. Shape of each: (at most batch_size,)

    """
    return shuffled_batches(lengths, batch_size=batch_size, random=np.random.default_rng([seed, epoch]))


def shuffled_batches(lengths: npt.NDArray[np.integer], *, batch_size: int, random: np.random.Generator) -> list[Ids]:
    """Return batches as ``training_batches`` does, drawn from the given generator."""
    shuffled = random.permutation(np.flatnonzero(lengths))
    pool = batch_size * _POOL
    batches: list[Ids] = []
    # Sorted within a pool: sorting the whole split would give every epoch the same batches.
    for start in range(0, len(shuffled), pool):
        rows = shuffled[start : start + pool]
        batches.extend(_cut(rows[np.argsort(lengths[rows], kind="stable")], lengths, batch_size=batch_size))
    # Shuffled again, because the batches of a pool are ordered from the shortest sentences to the longest.
    return [batches[index] for index in random.permutation(len(batches))]


def evaluation_batches(lengths: Ids, *, batch_size: int) -> list[Ids]:
    """Return batches that hold every non-empty sentence once, shortest first, which needs little padding."""
    # Stable, so that sentences of equal length keep their order whatever sort numpy chooses.
    rows = np.argsort(lengths, kind="stable")
    return list(_cut(rows[lengths[rows] > 0], lengths, batch_size=batch_size))


def _cut(rows: Ids, lengths: npt.NDArray[np.integer], *, batch_size: int) -> Iterable[Ids]:
    """Cut rows, sorted by length, into batches within ``batch_size`` and ``MAX_PADDED_CHARACTERS``."""
    start = 0
    for end, length in enumerate(lengths[rows].tolist()):
        n_rows = end - start
        # Lengths ascend, so this sentence would be the longest of the batch.
        if n_rows == batch_size or (n_rows and (n_rows + 1) * length > MAX_PADDED_CHARACTERS):
            yield rows[start:end]
            start = end
    if start < len(rows):
        yield rows[start:]


def collate(split: Split, rows: Ids) -> Batch:
    """Gather sentences into padded tensors on the CPU.

    Args:
        split: The split that holds the sentences.
        rows: Indices of the sentences in the split, none of them empty. Shape: (batch,)

    Returns:
        The batch.

    """
    lengths = split.lengths[rows]
    positions = np.arange(lengths.max())
    mask = positions < lengths[:, None]
    flat = (split.offsets[rows][:, None] + positions)[mask]

    def padded(values: npt.NDArray[Any], dtype: npt.DTypeLike = np.int64) -> Tensor:
        square = np.zeros((*mask.shape, *values.shape[1:]), dtype=dtype)
        square[mask] = values[flat]
        return torch.from_numpy(square)

    def rows_of(values: Rows | None) -> Tensor | None:
        return None if values is None else padded(values)

    words = None if split.matches is None else split.matches.words_of(rows, length=int(lengths.max()))
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
        rows_of(split.segment_positions),
        rows_of(split.boundary_roles),
        None if split.cosine_gates is None else padded(split.cosine_gates, np.float32),
        None if split.hidden is None else split.hidden.gather(rows, lengths=lengths),
        None
        if split.special_states is None
        else split.special_states.gather(rows, counts=np.diff(split.window_offsets)[rows]),
        *(map(torch.from_numpy, words) if words is not None else ()),
    )


def prefetch(split: Split, batches: Iterable[Ids], *, device: torch.device) -> Generator[Batch, None, None]:
    """Yield each batch on the device while a thread gathers the next. Close the generator to stop early."""

    def gather(rows: Ids) -> Batch:
        return collate(split, rows).to(device)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="collate") as thread:
        current: Future[Batch] | None = None
        for rows in batches:
            following = thread.submit(gather, rows)  # before the current batch is yielded, so that both overlap
            if current is not None:
                yield current.result()
            current = following
        if current is not None:
            yield current.result()


def _windows(split: Split, rows: Ids, lengths: Ids) -> Windows:
    """Build the windows of sentences without a loop over the sentences."""
    counts = split.window_offsets[rows + 1] - split.window_offsets[rows]
    sentences = np.repeat(np.arange(len(rows)), counts)
    last_windows = np.cumsum(counts) - 1
    # window_starts holds the windows of all sentences end to end: pick the windows of these rows, in order.
    picked = np.arange(counts.sum()) + np.repeat(split.window_offsets[rows] - (last_windows + 1 - counts), counts)
    starts = split.window_starts[picked].astype(np.int64)
    ends = np.append(starts[1:], 0)  # a window ends where the next begins, the last at the sentence's end
    ends[last_windows] = lengths
    position = np.arange(-1, (ends - starts).max() + 1)  # in the window: -1 is [CLS], the length is [SEP]
    holds = (position >= 0) & (position < (ends - starts)[:, None])
    char_of_cell = np.where(holds, (sentences * lengths.max() + starts)[:, None] + position, -1)
    cell_of_char = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
    cell_of_char.ravel()[char_of_cell[holds]] = np.flatnonzero(holds)
    return Windows(*map(torch.from_numpy, (char_of_cell, ends - starts, sentences, cell_of_char)))

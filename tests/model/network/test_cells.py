"""Character vectors in the cells of their windows, and the contents of the other cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ssmi.model.data.batches import collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network.cells import Cells


def test_cells_without_a_character_hold_the_fill_value(shards: Path) -> None:
    """One sentence of three windows and two sentences of one window: 14, 21, 7, 1 and 8 characters."""
    opened = open_shards(shards)
    batch = collate(
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures()), np.array([9, 5, 4])
    )
    lengths = batch.windows.lengths.tolist()
    cells = Cells.of(batch.windows)
    assert cells.position.tolist() == list(range(max(lengths) + 2))
    assert cells.end.flatten().tolist() == [length + 1 for length in lengths]
    assert cells.attended.sum(1).tolist() == [length + 2 for length in lengths]
    assert cells.attended.dtype == torch.int64
    characters = torch.arange(batch.mask.numel(), dtype=torch.float32).view(*batch.mask.shape, 1)
    filled = cells.filled(characters, others=torch.full((len(lengths), max(lengths) + 2, 1), -7.0))[..., 0]
    states = [row[1 : length + 1] for row, length in zip(filled, lengths, strict=True)]
    assert torch.equal(torch.cat(states), characters[batch.mask][:, 0])
    assert (filled[:, 0] == -7).all()
    assert all((row[length + 1 :] == -7).all() for row, length in zip(filled, lengths, strict=True))

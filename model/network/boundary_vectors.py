"""E_b of a batch's boundaries: looked up once for all parts that read them, and hidden at random in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssmi.model.data.batches import Batch
from ssmi.model.network.layers.boundary import BoundaryEmbedding
from ssmi.model.network.requirements import wanted
from ssmi.pipeline.contract.parameters.params import ModelParams


@dataclass(frozen=True, slots=True)
class BoundaryVectors:
    """The vectors, where the network reads them; None where it does not.

    Attributes:
        best, local: Shape: (batch, length, boundary_width)
        sets, negatives: Shape: (batch, length, size, boundary_width)
        set_mask, negative_mask: bool, True where there is one. Shape: (batch, length, size)

    """

    best: Tensor | None = None
    local: Tensor | None = None
    sets: Tensor | None = None
    set_mask: Tensor | None = None
    negatives: Tensor | None = None
    negative_mask: Tensor | None = None


_MASKS = {"set_mask": "sets", "negative_mask": "negatives"}


def look_up(
    boundary: BoundaryEmbedding | None, batch: Batch, *, params: ModelParams, negatives: bool, training: bool
) -> BoundaryVectors:
    """Look up the boundaries that a network of these parameters reads.

    Args:
        boundary: None for a network that reads no boundary.
        batch: On the device of ``boundary``.
        params: The network's.
        negatives: Whether the loss that compares with them is wanted.
        training: Whether ``params.boundary_dropout`` hides some.

    Returns:
        Their vectors, differentiable.

    """
    if boundary is None:
        return BoundaryVectors()
    read = _rows(batch, params=params, negatives=negatives)
    if training and params.boundary_dropout:
        read = _hide(read, mask=batch.mask, share=params.boundary_dropout)
    vectors = dict(zip(read, boundary(list(read.values())), strict=True))
    masks = {mask: read[name] > 0 for mask, name in _MASKS.items() if name in read}
    return BoundaryVectors(**vectors, **masks)


def _rows(batch: Batch, *, params: ModelParams, negatives: bool) -> dict[str, Tensor]:
    """The rows that are read, by the names of ``BoundaryVectors``."""
    reads = wanted(params)
    rows = {
        "best": batch.best_rows if reads.best else None,
        "local": batch.local_rows if reads.local else None,
        "sets": batch.set_rows if reads.sets else None,
        # Only the loss reads them, and they are about half of all rows: without it they are not looked up.
        "negatives": batch.negative_rows if reads.sets and negatives else None,
    }
    return {name: tensor for name, tensor in rows.items() if tensor is not None}


def _hide(rows: dict[str, Tensor], *, mask: Tensor, share: float) -> dict[str, Tensor]:
    """Turn every row of a random share of the characters into "no boundary"."""
    # Drawn once a character: best, local and set hint at the same word, and one left over would give it away.
    kept = torch.rand(mask.shape, device=mask.device) >= share
    return {name: tensor * kept.view(*kept.shape, *[1] * (tensor.ndim - 2)) for name, tensor in rows.items()}

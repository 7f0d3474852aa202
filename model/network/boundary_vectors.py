"""Boundary vectors E_b of a batch: looked up once for all parts that read them, with dropout in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssmi.model.data.batches import Batch
from ssmi.model.network.layers.lexicon.boundary import BoundaryEmbedding
from ssmi.model.network.requirements import required_features
from ssmi.pipeline.contract.parameters.params import ModelParams


@dataclass(frozen=True, slots=True)
class BoundaryVectors:
    """The boundary vectors that a network reads; None for kinds that it does not read.

    Attributes:
        best: Vectors of the best boundaries, scaled by their gates if the network has gates. Shape: (batch, length,
            boundary_width)
        local: Vectors of the local boundaries. Shape: (batch, length, boundary_width)
        sets: Vectors of the members of the boundary sets. Shape: (batch, length, size, boundary_width)
        set_rows: Embedding row of each member of the sets, 0 for padding. Shape: (batch, length, size)
        negatives: Vectors of the negatives. Shape: (batch, length, size, boundary_width)
        negative_mask: bool, True on negatives, False on padding. Shape: (batch, length, size)
        roles: Position of each character in its best boundary. Shape: (batch, length)
        words: Vectors of the distinct words that match in the batch. Shape: (n, boundary_width)
        word_index: The words that cover each character, as rows of ``words``. Shape: (batch, length, n_words)
        word_rows: The same words as rows of the embedding, 0 for padding. Shape: (batch, length, n_words)

    """

    best: Tensor | None = None
    local: Tensor | None = None
    sets: Tensor | None = None
    set_rows: Tensor | None = None
    negatives: Tensor | None = None
    negative_mask: Tensor | None = None
    roles: Tensor | None = None
    words: Tensor | None = None
    word_index: Tensor | None = None
    word_rows: Tensor | None = None


def look_up(
    boundary: BoundaryEmbedding | None, batch: Batch, *, params: ModelParams, negatives: bool, training: bool
) -> BoundaryVectors:
    """Look up the boundary vectors that a network with these parameters reads.

    Args:
        boundary: The boundary embedding; None for a network that reads no boundaries.
        batch: The batch, on the device of ``boundary``.
        params: The parameters of the network.
        negatives: Whether to look up the negatives, which only the loss reads.
        training: Whether to apply ``params.boundary_dropout``.

    Returns:
        The vectors, differentiable.

    """
    if boundary is None:
        return BoundaryVectors()
    read = _rows(batch, params=params, negatives=negatives)
    # Rows are dropped, not vectors, so that masks and roles, which are derived from the rows, are dropped too.
    if training and params.boundary_dropout:
        read = _hide(read, mask=batch.mask, share=params.boundary_dropout)
    words = {}
    # Each word once, because a word covers several characters and LEBERT's adapter maps every vector it is given.
    if "words" in read:
        words["word_rows"] = read["words"]
        read["words"], words["word_index"] = read["words"].unique(return_inverse=True)
    vectors = dict(zip(read, boundary(list(read.values())), strict=True))
    if required_features(params).cosine_gates:
        assert batch.cosine_gates is not None
        vectors["best"] = vectors["best"] * batch.cosine_gates[..., None]
    return BoundaryVectors(
        **vectors,
        set_rows=read.get("sets"),
        negative_mask=read["negatives"] > 0 if "negatives" in read else None,
        roles=_roles(batch, read, params=params),
        **words,
    )


def _rows(batch: Batch, *, params: ModelParams, negatives: bool) -> dict[str, Tensor]:
    """Return the rows to look up, by the names of ``BoundaryVectors``."""
    reads = required_features(params)
    rows = {
        "best": batch.best_rows if reads.best else None,
        "local": batch.local_rows if reads.local else None,
        "sets": batch.set_rows if reads.sets else None,
        # Negatives are about half of all rows, and only the loss reads them.
        "negatives": batch.negative_rows if reads.negatives and negatives else None,
        "words": batch.word_rows if reads.matches else None,
    }
    return {name: tensor for name, tensor in rows.items() if tensor is not None}


def _roles(batch: Batch, read: dict[str, Tensor], *, params: ModelParams) -> Tensor | None:
    """Return the roles in the best boundaries, 0 for dropped boundaries, which their role must not reveal."""
    if not required_features(params).boundary_roles:
        return None
    assert batch.boundary_roles is not None
    return batch.boundary_roles * (read["best"] > 0)


def _hide(rows: dict[str, Tensor], *, mask: Tensor, share: float) -> dict[str, Tensor]:
    """Replace all rows of a random share of the characters by "no boundary"."""
    # Drawn once per character: best, local and set hint at the same word, and any one left would reveal it.
    kept = torch.rand(mask.shape, device=mask.device) >= share
    return {name: tensor * kept.view(*kept.shape, *[1] * (tensor.ndim - 2)) for name, tensor in rows.items()}

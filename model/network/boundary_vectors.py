"""E_b of a batch's boundaries: looked up once for all parts that read them, and hidden at random in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssmi.model.data.batches import Batch
from ssmi.model.network.layers.lexicon.boundary import BoundaryEmbedding
from ssmi.model.network.requirements import wanted
from ssmi.pipeline.contract.parameters.params import ModelParams


@dataclass(frozen=True, slots=True)
class BoundaryVectors:
    """The vectors, where the network reads them; None where it does not.

    Attributes:
        best, local: The best is already scaled by its gate. Shape: (batch, length, boundary_width)
        sets, negatives: Shape: (batch, length, size, boundary_width)
        set_rows: Which boundary each member is, 0 where there is none. Shape: (batch, length, size)
        negative_mask: bool, True where there is one. Shape: (batch, length, size)
        roles: Where each character stands in its best boundary. Shape: (batch, length)
        words: Every word that matches somewhere in the batch, each once. Shape: (n, boundary_width)
        word_index: The words over each character, as rows of ``words``. Shape: (batch, length, n_words)
        word_rows: The same as rows of the embedding, 0 for none. Shape: (batch, length, n_words)

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
    # Rows are hidden and not vectors: masks and roles, which are made of the rows, then know of none either.
    if training and params.boundary_dropout:
        read = _hide(read, mask=batch.mask, share=params.boundary_dropout)
    words = {}
    # Each word once, as one lies over many characters: LEBERT's adapter maps every vector that it is given.
    if "words" in read:
        words["word_rows"] = read["words"]
        read["words"], words["word_index"] = read["words"].unique(return_inverse=True)
    vectors = dict(zip(read, boundary(list(read.values())), strict=True))
    if wanted(params).cosine_gates:
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
    """The rows that are read, by the names of ``BoundaryVectors``."""
    reads = wanted(params)
    rows = {
        "best": batch.best_rows if reads.best else None,
        "local": batch.local_rows if reads.local else None,
        "sets": batch.set_rows if reads.sets else None,
        # Only the loss reads them, and they are about half of all rows: without it they are not looked up.
        "negatives": batch.negative_rows if reads.negatives and negatives else None,
        "words": batch.word_rows if reads.matches else None,
    }
    return {name: tensor for name, tensor in rows.items() if tensor is not None}


def _roles(batch: Batch, read: dict[str, Tensor], *, params: ModelParams) -> Tensor | None:
    """Where characters stand in the best boundaries that were read: a hidden one must not be given away."""
    if not wanted(params).boundary_roles:
        return None
    assert batch.boundary_roles is not None
    return batch.boundary_roles * (read["best"] > 0)


def _hide(rows: dict[str, Tensor], *, mask: Tensor, share: float) -> dict[str, Tensor]:
    """Turn every row of a random share of the characters into "no boundary"."""
    # Drawn once a character: best, local and set hint at the same word, and one left over would give it away.
    kept = torch.rand(mask.shape, device=mask.device) >= share
    return {name: tensor * kept.view(*kept.shape, *[1] * (tensor.ndim - 2)) for name, tensor in rows.items()}

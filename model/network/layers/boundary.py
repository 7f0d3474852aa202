"""Boundary embeddings, as pre-trained or trained further."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BoundaryEmbedding(nn.Module):
    """E_b for every boundary the shards name; row 0, "no boundary", is zero and stays so.

    vectors: pre-trained, one a boundary. Shape: (n_boundaries, boundary_width)
    trainable: whether training moves them.
    """

    def __init__(self, vectors: Tensor, *, trainable: bool) -> None:
        super().__init__()
        self.table = _table(vectors)
        self.table.requires_grad_(trainable)

    def put(self, start: int, vectors: Tensor) -> None:
        """Set the vectors of rows from ``start`` on, for use without training. Shape: (n_rows, boundary_width).

        Room is made ahead, by an eighth of the table: a text that brings a few more costs no copy of all the others.
        """
        weight, end = self.table.weight.detach(), start + len(vectors)
        if end > len(weight):
            room = weight.new_zeros(max(end, len(weight) + len(weight) // 8 + 1024), weight.shape[1])
            room[: len(weight)] = weight
            self.table = _embedding(room).requires_grad_(False)
            weight = self.table.weight.detach()
        weight[start:end] = vectors.to(weight)

    @property
    def width(self) -> int:
        """The size of a vector."""
        return int(self.table.embedding_dim)

    def forward(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Look up E_b, for any number of tensors at once. Shape of each: (...) → (..., boundary_width).

        Each distinct row is read once: the table's gradient, as large as the table, is then written once a batch and
        not once a tensor.
        """
        if not rows:
            return []
        flat = torch.cat([own.flatten() for own in rows])
        distinct, places = flat.unique(return_inverse=True)
        vectors = functional.embedding(places, self.table(distinct))
        pieces = vectors.split([own.numel() for own in rows])
        return [piece.view(*own.shape, self.width) for piece, own in zip(pieces, rows, strict=True)]


def _table(vectors: Tensor) -> nn.Embedding:
    return _embedding(torch.cat((vectors.new_zeros(1, vectors.shape[1]), vectors)))


def _embedding(rows: Tensor) -> nn.Embedding:
    return nn.Embedding(rows.shape[0], rows.shape[1], padding_idx=0, _weight=rows)

"""Boundary embeddings, fixed or trainable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BoundaryEmbedding(nn.Module):
    """E_b of every boundary that the shards name. Row 0, "no boundary", is always zero."""

    def __init__(self, vectors: Tensor, *, trainable: bool) -> None:
        """Start from pre-trained vectors.

        Args:
            vectors: One vector per boundary. Shape: (n_boundaries, boundary_width)
            trainable: Whether training updates the vectors.

        """
        super().__init__()
        self.table = _table(vectors)
        self.table.requires_grad_(trainable)

    def set_rows(self, start: int, vectors: Tensor) -> None:
        """Set the vectors of rows from ``start`` on, for use without training.

        A table that is too small grows by at least an eighth, so that a text with a few new boundaries rarely copies
        it.

        Args:
            start: The first row.
            vectors: The new vectors. Shape: (n_rows, boundary_width)

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
        """Width of a vector."""
        return int(self.table.embedding_dim)

    def forward(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Look up E_b for any number of tensors at once.

        Each distinct row is looked up once, so that the gradient of the table, which is as large as the table, is
        written once per batch rather than once per tensor.

        Args:
            rows: Rows of the table. Shape of each: (...)

        Returns:
            The vectors of these rows. Shape of each: (..., boundary_width)

        """
        if not rows:
            return []
        flat = torch.cat([tensor.flatten() for tensor in rows])
        distinct, index_of_each = flat.unique(return_inverse=True)
        vectors = functional.embedding(index_of_each, self.table(distinct))
        pieces = vectors.split([tensor.numel() for tensor in rows])
        return [piece.view(*tensor.shape, self.width) for piece, tensor in zip(pieces, rows, strict=True)]


def _table(vectors: Tensor) -> nn.Embedding:
    return _embedding(torch.cat((vectors.new_zeros(1, vectors.shape[1]), vectors)))


def _embedding(rows: Tensor) -> nn.Embedding:
    # padding_idx keeps gradients from row 0, which stays zero.
    return nn.Embedding(rows.shape[0], rows.shape[1], padding_idx=0, _weight=rows)

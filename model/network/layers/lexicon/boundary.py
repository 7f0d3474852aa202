"""Boundary embeddings, as pre-trained or trained further."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BoundaryEmbedding(nn.Module):
    """E_b for every boundary that the shards name. Row 0, "no boundary", is zero and stays zero."""

    def __init__(self, vectors: Tensor, *, trainable: bool) -> None:
        """Start from pre-trained vectors.

        Args:
            vectors: One a boundary. Shape: (n_boundaries, boundary_width)
            trainable: Whether training moves them.

        """
        super().__init__()
        self.table = _table(vectors)
        self.table.requires_grad_(trainable)

    def set_rows(self, start: int, vectors: Tensor) -> None:
        """Set the vectors of rows from ``start`` on, for use without training.

        The table grows by an eighth more than is needed, so that a text with a few new boundaries copies no others.

        Args:
            start: The first row.
            vectors: Shape: (n_rows, boundary_width)

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
        """Look up E_b, for any number of tensors at once.

        Each distinct row is read once: the table's gradient, as large as the table, is then written once a batch and
        not once a tensor.

        Args:
            rows: Rows of the table. Shape of each: (...)

        Returns:
            Their vectors. Shape of each: (..., boundary_width)

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
    # padding_idx keeps the gradient from row 0, which thus stays zero.
    return nn.Embedding(rows.shape[0], rows.shape[1], padding_idx=0, _weight=rows)

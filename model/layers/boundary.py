"""Boundary embeddings, as pre-trained or trained further."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BoundaryEmbedding(nn.Module):
    """E_b for every boundary the shards name; row 0, "no boundary", is zero and stays so.

    vectors: pre-trained, one a boundary. Shape: (n_boundaries, boundary_width)
    trainable: whether training moves them.
    dropout: probability that a character's boundary is hidden (row 0) in training, so that the network cannot lean on
        the lexicon alone; nothing is rescaled, for a hidden boundary looks just like none.
    """

    def __init__(self, vectors: Tensor, *, trainable: bool, dropout: float) -> None:
        super().__init__()
        rows = torch.cat((torch.zeros(1, vectors.shape[1]), vectors))
        self.table = nn.Embedding(rows.shape[0], rows.shape[1], padding_idx=0, _weight=rows)
        self.table.requires_grad_(trainable)
        self.dropout = dropout

    @property
    def width(self) -> int:
        """The size of a vector."""
        return int(self.table.embedding_dim)

    def forward(self, rows: Tensor) -> Tensor:
        """Look up E_b. Shape of rows: (batch, length); of the result: (batch, length, boundary_width)."""
        if self.training and self.dropout:
            rows = rows * (torch.rand(rows.shape, device=rows.device) >= self.dropout)
        vectors: Tensor = self.table(rows)
        return vectors

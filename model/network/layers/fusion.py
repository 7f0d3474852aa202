"""P[x ⊕ E_b ⊕ e_p]: lead a boundary, and the character's place in its segment, into the character's embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """One linear map P of the concatenation, kept as its parts: P x = W_c c + b + W_b E_b + e_p.

    e_p is not in the paper: a learned vector for each place a character may have in its segment (first, inner, last,
    alone). W_c starts as the identity, all else as zero, so that the network starts exactly where it would be without
    boundaries. Computed in float32 even under autocast, which keeps that exact.
    """

    def __init__(self, *, width: int, boundary_width: int, n_segment_positions: int = 0) -> None:
        """``n_segment_positions``: how many places there are, 0 to leave e_p out."""
        super().__init__()
        self.characters = nn.Linear(width, width)
        self.boundaries = nn.Linear(boundary_width, width, bias=False)
        nn.init.eye_(self.characters.weight)
        nn.init.zeros_(self.characters.bias)
        nn.init.zeros_(self.boundaries.weight)
        self.places = nn.Embedding(n_segment_positions, width) if n_segment_positions else None
        if self.places is not None:
            nn.init.zeros_(self.places.weight)

    def forward(self, characters: Tensor, boundaries: Tensor, places: Tensor | None = None) -> Tensor:
        """Fuse position by position.

        characters: embeddings or states. Shape: (batch, length, width)
        boundaries: Shape: (batch, length, boundary_width)
        places: int64; needed where there are any. Shape: (batch, length)
        Returns shape: (batch, length, width)
        """
        with torch.autocast(device_type=characters.device.type, enabled=False):
            fused: Tensor = self.characters(characters.float()) + self.boundaries(boundaries.float())
            if self.places is not None:
                fused = fused + self.places(places)
        return fused

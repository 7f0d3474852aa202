"""P[x ⊕ E_b ⊕ e_p ⊕ e_r]: join a boundary, and where the character stands in it, to the character's embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """One linear map P of the concatenation, kept as its parts: P x = W_c c + b + W_b E_b + e_p + e_r.

    Kept as parts, because the optimizer tunes W_c at the encoder's rate and the others at that of new parts. e_p and
    e_r are not in the paper: learned vectors for each position in a segment, and for each role in the boundary (first,
    inner, last, alone). W_c starts as the identity, all else as zero, so that the network starts exactly where it would
    be without boundaries: a random P would hand a pre-trained encoder inputs that it cannot read. Computed in float32
    even under autocast, which keeps that start exact.
    """

    def __init__(
        self, *, width: int, boundary_width: int, n_segment_positions: int = 0, n_boundary_roles: int = 0
    ) -> None:
        """Start as the identity.

        Args:
            width: Of a character.
            boundary_width: Of a boundary.
            n_segment_positions: How many positions there are; 0 leaves e_p out.
            n_boundary_roles: How many roles there are; 0 leaves e_r out.

        """
        super().__init__()
        self.characters = nn.Linear(width, width)
        self.boundaries = nn.Linear(boundary_width, width, bias=False)
        nn.init.eye_(self.characters.weight)
        nn.init.zeros_(self.characters.bias)
        nn.init.zeros_(self.boundaries.weight)
        self.segment_positions = nn.Embedding(n_segment_positions, width) if n_segment_positions else None
        self.boundary_roles = nn.Embedding(n_boundary_roles, width) if n_boundary_roles else None
        for table in (self.segment_positions, self.boundary_roles):
            if table is not None:
                nn.init.zeros_(table.weight)

    def forward(
        self,
        characters: Tensor,
        boundaries: Tensor,
        segment_positions: Tensor | None = None,
        boundary_roles: Tensor | None = None,
    ) -> Tensor:
        """Fuse character by character.

        Args:
            characters: Embeddings or states. Shape: (batch, length, width)
            boundaries: E_b of the best boundary, zero for none. Shape: (batch, length, boundary_width)
            segment_positions: int64; needed unless e_p is left out. Shape: (batch, length)
            boundary_roles: int64; needed unless e_r is left out. Shape: (batch, length)

        Returns:
            Shape: (batch, length, width)

        """
        with torch.autocast(device_type=characters.device.type, enabled=False):
            fused: Tensor = self.characters(characters.float()) + self.boundaries(boundaries.float())
            if self.segment_positions is not None:
                fused = fused + self.segment_positions(segment_positions)
            if self.boundary_roles is not None:
                fused = fused + self.boundary_roles(boundary_roles)
        return fused

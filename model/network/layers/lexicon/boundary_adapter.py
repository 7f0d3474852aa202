"""A boundary joins the states between two layers of the encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BoundaryAdapter(nn.Module):
    """What is added to a state h: h + LN(W E_b + e_p + e_r), e_p and e_r as of ``Fusion`` (not in the paper).

    LN is a plain layer norm whose scale and shift start as zero, so that the network starts exactly where it would be
    without boundaries; all else starts at random. Were W zero and the scale not, the norm of a zero would multiply the
    first gradients by 1 / sqrt(ε). Computed in float32 even under autocast.
    """

    def __init__(
        self, *, width: int, boundary_width: int, n_segment_positions: int = 0, n_boundary_roles: int = 0
    ) -> None:
        """Start without a say.

        Args:
            width: Of a state.
            boundary_width: Of a boundary.
            n_segment_positions: How many positions there are; 0 leaves e_p out.
            n_boundary_roles: How many roles there are; 0 leaves e_r out.

        """
        super().__init__()
        self.boundaries = nn.Linear(boundary_width, width, bias=False)
        nn.init.normal_(self.boundaries.weight)  # a boundary has length 1: its image weighs as much as e_p and e_r do
        self.segment_positions = nn.Embedding(n_segment_positions, width) if n_segment_positions else None
        self.boundary_roles = nn.Embedding(n_boundary_roles, width) if n_boundary_roles else None
        self.norm = nn.LayerNorm(width)
        nn.init.zeros_(self.norm.weight)

    def forward(
        self, boundaries: Tensor, segment_positions: Tensor | None = None, boundary_roles: Tensor | None = None
    ) -> Tensor:
        """What is to be added to each character's state.

        Args:
            boundaries: E_b of the best boundary, zero for none. Shape: (batch, length, boundary_width)
            segment_positions: int64; needed unless e_p is left out. Shape: (batch, length)
            boundary_roles: int64; needed unless e_r is left out. Shape: (batch, length)

        Returns:
            Shape: (batch, length, width)

        """
        with torch.autocast(device_type=boundaries.device.type, enabled=False):
            joined: Tensor = self.boundaries(boundaries.float())
            if self.segment_positions is not None:
                joined = joined + self.segment_positions(segment_positions)
            if self.boundary_roles is not None:
                joined = joined + self.boundary_roles(boundary_roles)
            added: Tensor = self.norm(joined)
        return added

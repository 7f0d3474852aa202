"""P[x ⊕ E_b]: lead a boundary's embedding into a character's, starting from the character's alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """One linear map P of the concatenation, kept as its two halves.

    The characters' half starts as the identity and the boundaries' half as zero, so that the network starts exactly
    where it would be without boundaries. Computed in float32 even under autocast, which keeps that exact.
    """

    def __init__(self, *, width: int, boundary_width: int) -> None:
        super().__init__()
        self.characters = nn.Linear(width, width)
        self.boundaries = nn.Linear(boundary_width, width, bias=False)
        nn.init.eye_(self.characters.weight)
        nn.init.zeros_(self.characters.bias)
        nn.init.zeros_(self.boundaries.weight)

    def forward(self, characters: Tensor, boundaries: Tensor) -> Tensor:
        """Fuse position by position.

        characters: embeddings or states. Shape: (batch, length, width)
        boundaries: Shape: (batch, length, boundary_width)
        Returns shape: (batch, length, width)
        """
        with torch.autocast(device_type=characters.device.type, enabled=False):
            fused: Tensor = self.characters(characters.float()) + self.boundaries(boundaries.float())
        return fused

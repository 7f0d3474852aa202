"""The paper's GRU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmi.model.network.layers.threads import one_thread


class BiGRU(nn.Module):
    """H2 = GRU(MLP1(H1 ⊕ E_l)), in both directions (paper: "Local Enhancement").

    The cell is that of Cho et al. 2014 as torch computes it::

        r_i = σ(W_r x_i + b_r + U_r h' + c_r)
        z_i = σ(W_z x_i + b_z + U_z h' + c_z)
        n_i = tanh(W_n x_i + b_n + r_i ⊙ (U_n h' + c_n))
        h_i = (1 - z_i) ⊙ n_i + z_i ⊙ h'

    h' is the state of the character before in the one direction, of the character after in the other, and zero at the
    sentence's edge; the two h_i are concatenated. Two GRUs, one of them on sentences reversed in place, take about two
    thirds of the time of packed sequences on a CPU. One bidirectional GRU on padded sentences would be wrong: from
    right to left it would read the padding first.
    """

    def __init__(self, *, inputs: int, outputs: int) -> None:
        """``outputs``: the width of both directions together; even, else ValueError."""
        super().__init__()
        if outputs % 2:
            raise ValueError(f"{outputs} outputs cannot be shared evenly by two directions")
        self.left_to_right = nn.GRU(inputs, outputs // 2, batch_first=True)
        self.right_to_left = nn.GRU(inputs, outputs // 2, batch_first=True)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Read each sentence in both directions.

        Args:
            states: Shape: (batch, length, inputs)
            mask: bool, True on characters, right-padded; sentences in any order. Shape: (batch, length)

        Returns:
            Zero at padding. Shape: (batch, length, outputs)

        """
        mirror = _mirror(mask)
        with one_thread(states.device):
            forward, _ = self.left_to_right(states)
            mirrored, _ = self.right_to_left(_take(states, mirror))
        both = torch.cat((forward, _take(mirrored, mirror)), dim=-1)
        return both.masked_fill(~mask[..., None], 0.0)


def _mirror(mask: Tensor) -> Tensor:
    """The index of each character in its sentence read backwards; padding stays where it is. Its own inverse."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - positions, positions)


def _take(states: Tensor, positions: Tensor) -> Tensor:
    """The states at these positions of each sentence. Shapes: (batch, length, width), (batch, length)."""
    return states.gather(1, positions[..., None].expand(-1, -1, states.shape[-1]))

"""A recurrent layer that reads sentences in both directions, whatever its cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmi.model.network.layers.threads import one_thread


class BothDirections(nn.Module):
    """Two recurrent nets, one of them on sentences reversed in place, their states concatenated.

    That takes about two thirds of the time of packed sequences on a CPU. One bidirectional net on padded sentences
    would be wrong: from right to left it would read the padding first.
    """

    def __init__(self, left_to_right: nn.RNNBase, right_to_left: nn.RNNBase) -> None:
        """Join two nets of the same widths that take the batch first."""
        super().__init__()
        self.left_to_right = left_to_right
        self.right_to_left = right_to_left

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
            # In either net padding comes after the characters, whose states cannot depend on it.
            forward, _ = self.left_to_right(states)
            mirrored, _ = self.right_to_left(_take(states, mirror))
        both = torch.cat((forward, _take(mirrored, mirror)), dim=-1)
        return both.masked_fill(~mask[..., None], 0.0)


def half(outputs: int) -> int:
    """The width of one direction; raises ValueError for an odd ``outputs``."""
    if outputs % 2:
        raise ValueError(f"{outputs} outputs cannot be shared evenly by two directions")
    return outputs // 2


def _mirror(mask: Tensor) -> Tensor:
    """The index of each character in its sentence read backwards; padding stays where it is. Its own inverse."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - positions, positions)


def _take(states: Tensor, positions: Tensor) -> Tensor:
    """The states at these positions of each sentence. Shapes: (batch, length, width), (batch, length)."""
    # Whole rows of the batch laid end to end: a gather, which has an index for each number, takes nine times as long.
    first = torch.arange(len(states), device=states.device)[:, None] * states.shape[1]
    return states.flatten(0, 1).index_select(0, (first + positions).flatten()).view_as(states)

"""One vector a sentence."""

from __future__ import annotations

from torch import Tensor


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of a sentence's states, its e_s where there is no [CLS] (paper: "Global Mutual Maximization").

    Args:
        states: What stands at padding is not read. Shape: (batch, length, width)
        mask: bool, True on characters. Shape: (batch, length)

    Returns:
        Zero for a sentence without characters. Shape: (batch, width)

    """
    total = states.masked_fill(~mask[..., None], 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)

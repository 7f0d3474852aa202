"""Pooling of states into one vector per sentence."""

from __future__ import annotations

from torch import Tensor


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average the states of each sentence: e_s if there is no [CLS] (paper: "Global Mutual Maximization").

    Args:
        states: States of characters; values at padding are ignored. Shape: (batch, length, width)
        mask: bool, True on characters. Shape: (batch, length)

    Returns:
        The means, zero for a sentence without characters. Shape: (batch, width)

    """
    total = states.masked_fill(~mask[..., None], 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)

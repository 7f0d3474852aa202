"""Sentence vectors."""

from __future__ import annotations

import torch

from ssmi.model.network.layers.pooling import masked_mean


def test_mean_ignores_padding() -> None:
    torch.manual_seed(0)
    states = torch.randn(3, 6, 4)
    mask = torch.arange(6) < torch.tensor([[6], [2], [1]])
    noisy = torch.where(mask[..., None], states, 1e3 * torch.randn_like(states))
    got = masked_mean(noisy, mask)
    for row, length in enumerate((6, 2, 1)):
        for unit in range(4):
            expected = sum(states[row, :length, unit].double().tolist()) / length
            assert abs(got[row, unit].item() - expected) < 1e-6


def test_no_characters_give_zero() -> None:
    states = torch.randn(1, 3, 4, requires_grad=True)
    got = masked_mean(states, torch.zeros(1, 3, dtype=torch.bool))
    assert got.tolist() == [[0.0] * 4]
    got.sum().backward()
    assert states.grad is not None and not states.grad.any()

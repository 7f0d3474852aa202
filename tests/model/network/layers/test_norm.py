"""The adaptive layer norm against its formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from ssmi.model.network.layers.norm import EPSILON, AdaptiveNorm


def test_layer_starts_as_plain_layer_normalisation() -> None:
    states = 3.0 * torch.randn(2, 4, 16) + 5.0
    torch.testing.assert_close(AdaptiveNorm(width=16)(states), nn.LayerNorm(16)(states))


def test_output_equals_the_formula() -> None:
    torch.manual_seed(0)
    layer = AdaptiveNorm(width=5)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    states = torch.randn(3, 5)
    w = {name: value.double().tolist() for name, value in layer.state_dict().items()}
    got = layer(states)
    for place in range(3):
        h = states[place].double().tolist()
        mean = sum(h) / 5
        deviation = math.sqrt(sum((value - mean) ** 2 for value in h) / 5 + EPSILON)
        for unit in range(5):
            scale = w["scale.bias"][unit] + sum(a * b for a, b in zip(w["scale.weight"][unit], h, strict=True))
            shift = w["shift.bias"][unit] + sum(a * b for a, b in zip(w["shift.weight"][unit], h, strict=True))
            assert abs(got[place, unit].item() - (scale * (h[unit] - mean) / deviation + shift)) < 1e-5


def test_gradients_are_finite_and_nonzero_from_the_first_step() -> None:
    torch.manual_seed(0)
    layer = AdaptiveNorm(width=4)
    states = torch.cat((torch.randn(3, 4), torch.zeros(1, 4))).requires_grad_()
    (layer(states) - torch.randn(4, 4)).square().sum().backward()
    for tensor in (states, *layer.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all() and tensor.grad.any()


def test_padding_changes_nothing(assert_ignores_padding: Callable[..., None]) -> None:
    torch.manual_seed(0)
    layer = AdaptiveNorm(width=6)
    assert_ignores_padding(lambda x, mask: layer(x), 6, zero_at_padding=False)

"""MLP1 and MLP2 against their formula."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ssmi.model.network.layers.feed_forward import FeedForward


def test_output_equals_the_formula() -> None:
    torch.manual_seed(0)
    layer = FeedForward(inputs=5, outputs=3)
    states = torch.randn(2, 4, 5)
    got = layer(states)
    weight, bias = layer.linear.weight.double().tolist(), layer.linear.bias.double().tolist()
    for row in range(2):
        for place in range(4):
            vector = states[row, place].double().tolist()
            for unit in range(3):
                inner = bias[unit] + sum(a * b for a, b in zip(weight[unit], vector, strict=True))
                expected = inner * 0.5 * (1.0 + math.erf(inner / math.sqrt(2.0)))
                assert abs(got[row, place, unit].item() - expected) < 1e-5


def test_padding_changes_nothing(assert_ignores_padding: Callable[..., None]) -> None:
    torch.manual_seed(0)
    layer = FeedForward(inputs=6, outputs=4)
    assert_ignores_padding(lambda x, mask: layer(x), 6, zero_at_padding=False)

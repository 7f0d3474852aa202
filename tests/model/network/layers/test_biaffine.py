"""The biaffine form against its formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ssmi.model.network.layers.biaffine import Biaffine


@pytest.mark.parametrize(("left", "right"), [(3, 5), (5, 3), (4, 4)])
def test_output_equals_the_formula(left: int, right: int) -> None:
    torch.manual_seed(left)
    layer = Biaffine(left=left, right=right, outputs=2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x, y = torch.randn(2, 4, left), torch.randn(2, 4, right)
    got = layer(x, y)
    assert got.shape == (2, 4, 2)
    w: dict[str, Any] = {name: value.double().tolist() for name, value in layer.state_dict().items()}
    for row in range(2):
        for place in range(4):
            a, b = x[row, place].double().tolist(), y[row, place].double().tolist()
            for unit in range(2):
                expected = w["left.bias"][unit]
                for i in range(left):
                    expected += w["left.weight"][unit][i] * a[i]
                    expected += sum(a[i] * w["bilinear"][unit][i][j] * b[j] for j in range(right))
                expected += sum(w["right.weight"][unit][j] * b[j] for j in range(right))
                assert abs(got[row, place, unit].item() - expected) < 1e-5


@pytest.mark.parametrize(("left", "right"), [(64, 96), (96, 64)])
def test_unit_scale_is_kept_at_initialisation(left: int, right: int) -> None:
    torch.manual_seed(0)
    layer = Biaffine(left=left, right=right, outputs=16)
    form = layer(torch.randn(2, 100, left), torch.randn(2, 100, right))
    assert 0.5 < form.std().item() < 2.0


def test_every_parameter_learns() -> None:
    layer = Biaffine(left=3, right=4, outputs=2)
    layer(torch.randn(1, 2, 3), torch.randn(1, 2, 4)).square().sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad is not None and parameter.grad.any()


def test_padding_changes_nothing(assert_ignores_padding: Callable[..., None]) -> None:
    torch.manual_seed(0)
    layer = Biaffine(left=6, right=8, outputs=4)
    assert_ignores_padding(lambda x, y, mask: layer(x, y), 6, 8, zero_at_padding=False)

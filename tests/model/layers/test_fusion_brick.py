"""P[x ⊕ E_b]."""

from __future__ import annotations

import pytest
import torch

from model.layers.fusion import Fusion


@pytest.mark.parametrize("bf16", [False, True])
def test_fusion_starts_exactly_from_the_characters(bf16: bool) -> None:
    fusion = Fusion(width=32, boundary_width=6)
    characters, boundaries = torch.randn(2, 7, 32), torch.randn(2, 7, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        assert torch.equal(fusion(characters, boundaries), characters)


def test_fusion_learns_from_the_boundaries() -> None:
    fusion = Fusion(width=4, boundary_width=2)
    target = torch.randn(1, 5, 4)
    characters, boundaries = torch.zeros(1, 5, 4), torch.randn(1, 5, 2)
    (fusion(characters, boundaries) - target).square().sum().backward()
    assert fusion.boundaries.weight.grad is not None
    assert fusion.boundaries.weight.grad.abs().sum() > 0

"""P[x ⊕ E_b ⊕ e_p]."""

from __future__ import annotations

import pytest
import torch

from ssmi.model.network.layers.lexicon.fusion import Fusion


@pytest.mark.parametrize("bf16", [False, True])
def test_fusion_starts_exactly_from_the_characters(bf16: bool) -> None:
    fusion = Fusion(width=32, boundary_width=6, n_segment_positions=5, n_boundary_roles=5)
    characters, boundaries, positions = torch.randn(2, 7, 32), torch.randn(2, 7, 6), torch.randint(5, (2, 7))
    roles = torch.randint(5, (2, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        assert torch.equal(fusion(characters, boundaries, positions, roles), characters)


@pytest.mark.parametrize("n_segment_positions", [0, 5])
@pytest.mark.parametrize("n_roles", [0, 5])
def test_output_equals_the_formula(n_segment_positions: int, n_roles: int) -> None:
    torch.manual_seed(0)
    fusion = Fusion(width=4, boundary_width=3, n_segment_positions=n_segment_positions, n_boundary_roles=n_roles)
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter)
    characters, boundaries, positions = torch.randn(2, 5, 4), torch.randn(2, 5, 3), torch.randint(5, (2, 5))
    roles = torch.randint(5, (2, 5))
    got = fusion(characters, boundaries, positions if n_segment_positions else None, roles if n_roles else None)
    weight = {name: parameter.double().tolist() for name, parameter in fusion.state_dict().items()}
    for row in range(2):
        for place in range(5):
            character, boundary = characters[row, place].double().tolist(), boundaries[row, place].double().tolist()
            for unit in range(4):
                expected = weight["characters.bias"][unit]
                expected += sum(a * b for a, b in zip(weight["characters.weight"][unit], character, strict=True))
                expected += sum(a * b for a, b in zip(weight["boundaries.weight"][unit], boundary, strict=True))
                if n_segment_positions:
                    expected += weight["segment_positions.weight"][int(positions[row, place])][unit]
                if n_roles:
                    expected += weight["boundary_roles.weight"][int(roles[row, place])][unit]
                assert abs(got[row, place, unit].item() - expected) < 1e-5


def test_fusion_learns_from_the_boundaries() -> None:
    fusion = Fusion(width=4, boundary_width=2)
    target = torch.randn(1, 5, 4)
    characters, boundaries = torch.zeros(1, 5, 4), torch.randn(1, 5, 2)
    (fusion(characters, boundaries) - target).square().sum().backward()
    assert fusion.boundaries.weight.grad is not None
    assert fusion.boundaries.weight.grad.abs().sum() > 0

"""LN(W E_b + e_p + e_r)."""

from __future__ import annotations

import math

import pytest
import torch

from ssmi.model.network.layers.lexicon.boundary_adapter import BoundaryAdapter


@pytest.mark.parametrize("bf16", [False, True])
def test_adapter_starts_at_zero_and_learns_from_the_first_step(bf16: bool) -> None:
    torch.manual_seed(0)
    adapter = BoundaryAdapter(width=8, boundary_width=3, n_segment_positions=5, n_boundary_roles=5)
    boundaries, positions, roles = torch.randn(2, 7, 3), torch.randint(5, (2, 7)), torch.randint(5, (2, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        added = adapter(boundaries, positions, roles)
    assert added.dtype == torch.float32 and not added.any()
    (added - torch.randn(8)).square().sum().backward()
    gradient = adapter.norm.weight.grad
    assert gradient is not None and gradient.isfinite().all() and gradient.all()
    with torch.no_grad():
        adapter.norm.weight.sub_(0.01 * gradient)
    (adapter(boundaries, positions, roles) - torch.randn(8)).square().sum().backward()
    for parameter in adapter.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()


@pytest.mark.parametrize("n_positions", [0, 5])
@pytest.mark.parametrize("n_roles", [0, 5])
def test_output_equals_the_formula(n_positions: int, n_roles: int) -> None:
    torch.manual_seed(0)
    adapter = BoundaryAdapter(width=4, boundary_width=3, n_segment_positions=n_positions, n_boundary_roles=n_roles)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter)
    boundaries, positions, roles = torch.randn(2, 5, 3), torch.randint(5, (2, 5)), torch.randint(5, (2, 5))
    got = adapter(boundaries, positions if n_positions else None, roles if n_roles else None)
    weight = {name: parameter.double().tolist() for name, parameter in adapter.state_dict().items()}
    for row in range(2):
        for place in range(5):
            vector = boundaries[row, place].double().tolist()
            joined = [
                sum(a * b for a, b in zip(unit_weights, vector, strict=True))
                for unit_weights in weight["boundaries.weight"]
            ]
            for unit in range(4):
                if n_positions:
                    joined[unit] += weight["segment_positions.weight"][int(positions[row, place])][unit]
                if n_roles:
                    joined[unit] += weight["boundary_roles.weight"][int(roles[row, place])][unit]
            mean = sum(joined) / 4
            deviation = math.sqrt(sum((number - mean) ** 2 for number in joined) / 4 + 1e-5)
            for unit in range(4):
                normal = (joined[unit] - mean) / deviation
                expected = weight["norm.weight"][unit] * normal + weight["norm.bias"][unit]
                assert abs(got[row, place, unit].item() - expected) < 1e-4


def test_missing_boundaries_add_the_same_bias_everywhere() -> None:
    torch.manual_seed(0)
    adapter = BoundaryAdapter(width=4, boundary_width=3)
    torch.nn.init.normal_(adapter.norm.weight)
    torch.nn.init.normal_(adapter.norm.bias)
    added = adapter(torch.zeros(1, 3, 3))
    torch.testing.assert_close(added, adapter.norm.bias.expand(1, 3, 4))

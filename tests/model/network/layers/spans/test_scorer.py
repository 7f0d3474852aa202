"""Span scores against their formula in plain float64 loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ssmi.model.network.layers.spans import scorer as scorers
from ssmi.model.network.layers.spans.scorer import SpanScorer

INPUTS, WIDTH, TYPES, LONGEST = 3, 4, 2, 3


def _scorer(longest: int = LONGEST) -> SpanScorer:
    torch.manual_seed(longest)
    scorer = SpanScorer(inputs=INPUTS, width=WIDTH, n_types=TYPES, longest=longest, dropout=0.5).double().eval()
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter)
    return scorer


def _endpoint(weights: dict[str, Any], name: str, state: list[float]) -> list[float]:
    """GELU(W h + b)."""
    summed = [
        math.fsum([bias, *(weight * value for weight, value in zip(row, state, strict=True))])
        for row, bias in zip(weights[f"{name}.linear.weight"], weights[f"{name}.linear.bias"], strict=True)
    ]
    return [0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0))) for x in summed]


def _dot(left: list[float], right: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def _plain_score(weights: dict[str, Any], states: list[list[float]], first: int, last: int, kind: int) -> float:
    """Compute r_ijt, the score of one span and type."""
    s, e = _endpoint(weights, "first", states[first]), _endpoint(weights, "last", states[last])
    form = math.fsum(s[a] * weights["bilinear"][kind][a][b] * e[b] for a in range(WIDTH) for b in range(WIDTH))
    linear = _dot(weights["of_first.weight"][kind], s) + _dot(weights["of_last.weight"][kind], e)
    length = _dot(weights["of_length.weight"][kind], weights["lengths.weight"][last - first])
    return form + linear + length + float(weights["of_last.bias"][kind])


@pytest.mark.parametrize("block", [2, 3, 64])
@pytest.mark.parametrize(("length", "longest"), [(1, 3), (2, 3), (5, 1), (7, 3), (4, 9)])
def test_output_equals_the_formula(length: int, longest: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "_BLOCK", block)
    scorer = _scorer(longest)
    weights: dict[str, Any] = {name: value.tolist() for name, value in scorer.state_dict().items()}
    states = torch.randn(2, length, INPUTS, dtype=torch.float64)
    got = scorer(states)
    assert got.shape == (2, length, min(longest, length), TYPES + 1)
    for row in range(2):
        for first in range(length):
            for last in range(first, min(first + longest, length)):
                expected = [_plain_score(weights, states[row].tolist(), first, last, kind) for kind in range(TYPES + 1)]
                assert got[row, first, last - first].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_gradients_match_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "_BLOCK", 2)
    scorer = _scorer()
    names = [name for name, _ in scorer.named_parameters()]
    states = torch.randn(1, 5, INPUTS, dtype=torch.float64, requires_grad=True)

    def scores(states: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        parameters = dict(zip(names, values, strict=True))
        result: torch.Tensor = torch.func.functional_call(scorer, parameters, (states,))
        return result

    assert torch.autograd.gradcheck(scores, (states, *scorer.parameters()))


def test_unit_scale_is_kept_at_initialisation() -> None:
    torch.manual_seed(0)
    scorer = SpanScorer(inputs=64, width=150, n_types=4, longest=5, dropout=0.0)
    form = scorer._form(torch.randn(2, 50, 150), torch.randn(2, 54, 150), 5)
    assert 0.5 < form.std().item() < 2.0


def test_every_parameter_learns_and_dropout_is_applied() -> None:
    scorer = _scorer().train()
    states = torch.randn(2, 6, INPUTS, dtype=torch.float64)
    scores = scorer(states)
    assert not torch.equal(scores, scorer(states))
    scores.square().sum().backward()
    for parameter in scorer.parameters():
        assert parameter.grad is not None and parameter.grad.any()


def test_padding_changes_nothing(assert_ignores_padding: Callable[..., None]) -> None:
    """Compares only spans within their sentence; scores of longer spans have no meaning."""
    scorer = _scorer(longest=1).float()
    assert_ignores_padding(lambda states, mask: scorer(states).squeeze(2), INPUTS, zero_at_padding=False)
    longer = _scorer().float()
    states = torch.randn(1, 4, INPUTS)
    padded = torch.cat((states, 1e3 * torch.randn(1, 3, INPUTS)), dim=1)
    for first in range(4):
        within = slice(0, min(LONGEST, 4 - first))
        torch.testing.assert_close(longer(padded)[:, first, within], longer(states)[:, first, within])

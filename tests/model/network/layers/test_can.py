"""Convolutional attention against its formula in plain float64 loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ssmi.model.network.layers.can import ConvolutionalAttention

WIDTH, ATTENTION = 6, 5


def _layer(window: int) -> ConvolutionalAttention:
    torch.manual_seed(window)
    layer = ConvolutionalAttention(width=WIDTH, window=window, attention_width=ATTENTION)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return layer


def _by_hand(layer: ConvolutionalAttention, sentence: list[list[float]]) -> list[list[float]]:
    w: dict[str, Any] = {name: value.double().tolist() for name, value in layer.state_dict().items()}
    reach = layer.window // 2

    def joined(neighbour: int, place: int) -> list[float]:
        return sentence[neighbour] + w["positions"][place]

    def score(centre: int, neighbour: int, place: int) -> float:
        total = 0.0
        for unit in range(ATTENTION):
            keys = w["keys.weight"][unit] + w["position_keys.weight"][unit]
            inner = sum(a * b for a, b in zip(w["queries.weight"][unit], sentence[centre], strict=True))
            inner += sum(a * b for a, b in zip(keys, joined(neighbour, place), strict=True))
            total += w["scores.weight"][0][unit] * math.tanh(inner)
        return total

    outputs = []
    for centre in range(len(sentence)):
        places = [place for place in range(layer.window) if 0 <= centre + place - reach < len(sentence)]
        exps = {place: math.exp(score(centre, centre + place - reach, place)) for place in places}
        output = list(w["kernel.bias"])
        for place in places:
            share = exps[place] / sum(exps.values())
            weighted = [share * value for value in joined(centre + place - reach, place)]
            for unit in range(WIDTH):
                kernel = w["kernel.weight"][unit][place * WIDTH : (place + 1) * WIDTH]
                kernel = kernel + [row[unit] for row in w["position_kernel"][place]]
                output[unit] += sum(a * b for a, b in zip(kernel, weighted, strict=True))
        outputs.append(output)
    return outputs


@pytest.mark.parametrize("window", [1, 3, 5, 7])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_output_equals_the_formula(window: int, length: int) -> None:
    layer = _layer(window)
    states = torch.randn(1, length, WIDTH)
    expected = torch.tensor(_by_hand(layer, states[0].double().tolist()))
    got = layer(states, torch.ones(1, length, dtype=torch.bool))[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [1, 5, 9])
def test_padding_changes_nothing(window: int, assert_ignores_padding: Callable[..., None]) -> None:
    torch.manual_seed(0)
    assert_ignores_padding(ConvolutionalAttention(width=8, window=window, attention_width=4), 8)


def test_nan_at_padding_is_not_read() -> None:
    layer = _layer(5)
    states, mask = torch.randn(2, 7, WIDTH), torch.arange(7) < torch.tensor([[7], [3]])
    got = layer(states.masked_fill(~mask[..., None], float("nan")), mask)
    assert torch.equal(got, layer(states, mask))


def test_character_reads_only_its_window() -> None:
    layer = _layer(5)
    states = torch.randn(1, 12, WIDTH, requires_grad=True)
    layer(states, torch.ones(1, 12, dtype=torch.bool))[0, 6].sum().backward()
    assert states.grad is not None
    assert states.grad[0].abs().sum(-1).gt(0).nonzero().flatten().tolist() == [4, 5, 6, 7, 8]


def test_scale_is_kept_at_initialisation() -> None:
    torch.manual_seed(0)
    layer = ConvolutionalAttention(width=64, window=5, attention_width=16)
    states = 0.3 * torch.randn(8, 30, 64)
    got = layer(states, torch.ones(8, 30, dtype=torch.bool))
    assert 0.2 < got.std().item() < 0.45
    assert got.mean((0, 1)).std().item() < 0.1


def test_every_parameter_learns_despite_a_row_of_padding() -> None:
    layer = _layer(3)
    layer(torch.randn(2, 5, WIDTH), torch.tensor([[True] * 5, [False] * 5])).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("window", [0, 2, 4, -1])
def test_windows_without_a_centre_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        ConvolutionalAttention(width=4, window=window, attention_width=4)


def test_bf16_autocast_is_supported() -> None:
    layer = _layer(5)
    states, mask = torch.randn(2, 6, WIDTH), torch.arange(6) < torch.tensor([[6], [3]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(states, mask)
    torch.testing.assert_close(rough.float(), layer(states, mask), atol=0.3, rtol=0.1)

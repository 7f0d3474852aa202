"""LEBERT's adapter against its formula."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from ssmi.model.network.layers.lexicon.lexicon_adapter import LexiconAdapter

WIDTH, BOUNDARY = 4, 3


def _adapter(dropout: float = 0.0) -> LexiconAdapter:
    torch.manual_seed(1)
    layer = LexiconAdapter(width=WIDTH, boundary_width=BOUNDARY, dropout=dropout)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def _inputs(n_words: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(n_words)
    states, words = torch.randn(2, 5, WIDTH), torch.randn(6, BOUNDARY)
    index = torch.randint(0, 6, (2, 5, n_words))
    mask = torch.rand(2, 5, n_words) < 0.7
    mask[0, 2] = False
    return states, words, index, mask


def _map(weights: list[list[float]], bias: list[float], vector: list[float]) -> list[float]:
    return [
        offset + sum(a * b for a, b in zip(row, vector, strict=True)) for row, offset in zip(weights, bias, strict=True)
    ]


@pytest.mark.parametrize("n_words", [1, 3, 6])
def test_output_equals_the_formula(n_words: int) -> None:
    layer = _adapter()
    states, words, index, mask = _inputs(n_words)
    got = layer(states, words, index, mask)
    w: dict[str, Any] = {name: value.double().tolist() for name, value in layer.state_dict().items()}
    for row in range(2):
        for place in range(5):
            h = states[row, place].double().tolist()
            values, scores = [], []
            for word_row, is_word in zip(index[row, place].tolist(), mask[row, place].tolist(), strict=True):
                if not is_word:
                    continue
                inner = [
                    math.tanh(x) for x in _map(w["first.weight"], w["first.bias"], words[word_row].double().tolist())
                ]
                value = _map(w["second.weight"], w["second.bias"], inner)
                values.append(value)
                scores.append(sum(h[a] * w["attention"][a][b] * value[b] for a in range(WIDTH) for b in range(WIDTH)))
            total = sum(map(math.exp, scores))
            joined = [
                h[unit] + sum(math.exp(s) / total * v[unit] for s, v in zip(scores, values, strict=True))
                for unit in range(WIDTH)
            ]
            mean = sum(joined) / WIDTH
            spread = math.sqrt(sum((x - mean) ** 2 for x in joined) / WIDTH + 1e-12)
            expected = [
                (x - mean) / spread * scale + shift
                for x, scale, shift in zip(joined, w["norm.weight"], w["norm.bias"], strict=True)
            ]
            torch.testing.assert_close(
                got[row, place].double(), torch.tensor(expected, dtype=torch.float64), atol=1e-5, rtol=1e-5
            )


def test_masked_words_and_padding_change_nothing() -> None:
    layer = _adapter()
    states, words, index, mask = _inputs()
    before = layer(states, words, index, mask)
    torch.testing.assert_close(layer(states, words, index.where(mask, 5), mask), before)
    wider = torch.cat((index, torch.zeros_like(index)), -1), torch.cat((mask, torch.zeros_like(mask)), -1)
    torch.testing.assert_close(layer(states, words, *wider), before)
    none = torch.zeros(2, 5, 0, dtype=torch.long)
    torch.testing.assert_close(layer(states, words, none, none.bool()), layer.norm(states))
    torch.testing.assert_close(before[0, 2], layer.norm(states)[0, 2])


def test_gradients_reach_every_parameter_and_characters_without_words() -> None:
    layer = _adapter()
    states, words, index, mask = _inputs()
    for tensor in (states, words):
        tensor.requires_grad_()
    (layer(states, words, index, mask) * torch.randn(2, 5, WIDTH)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layer.parameters())
    assert states.grad is not None and words.grad is not None
    assert states.grad.isfinite().all() and states.grad[0, 2].any() and words.grad.isfinite().all()


def test_new_adapter_hardly_changes_normalised_states() -> None:
    torch.manual_seed(0)
    layer = LexiconAdapter(width=64, boundary_width=20, dropout=0.0)
    states = torch.nn.functional.layer_norm(torch.randn(2, 5, 64), (64,))
    words = torch.nn.functional.normalize(torch.randn(6, 20), dim=-1)
    change = layer(states, words, torch.randint(0, 6, (2, 5, 3)), torch.ones(2, 5, 3, dtype=torch.bool)) - states
    assert 0 < change.square().mean().sqrt().item() < 0.2


def test_dropout_acts_only_in_training() -> None:
    layer = _adapter(0.5)
    inputs = _inputs()
    assert not torch.equal(layer(*inputs), layer(*inputs))
    layer.eval()
    assert torch.equal(layer(*inputs), layer(*inputs))


def test_bf16_autocast_is_supported() -> None:
    torch.manual_seed(0)
    layer = LexiconAdapter(width=WIDTH, boundary_width=BOUNDARY, dropout=0.0)
    states, words, index, mask = _inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(states, words, index, mask)
    torch.testing.assert_close(rough.float(), layer(states, words, index, mask), atol=0.05, rtol=0.05)

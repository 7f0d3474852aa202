"""The bidirectional GRU against its formula, and against torch's GRU on packed sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ssmi.model.network.layers.bigru import BiGRU

INPUTS, HIDDEN = 5, 3


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def _one_direction(gru: nn.GRU, sentence: list[list[float]]) -> list[list[float]]:
    w: dict[str, Any] = {name: value.double().tolist() for name, value in gru.state_dict().items()}

    def gate(kind: str, row: int, vector: list[float]) -> float:
        weights = w[f"weight_{kind}_l0"][row]
        product: float = sum(a * b for a, b in zip(weights, vector, strict=True))
        return product + float(w[f"bias_{kind}_l0"][row])

    state, states = [0.0] * HIDDEN, []
    for vector in sentence:
        new_state = []
        for unit in range(HIDDEN):
            r = _sigmoid(gate("ih", unit, vector) + gate("hh", unit, state))
            z = _sigmoid(gate("ih", HIDDEN + unit, vector) + gate("hh", HIDDEN + unit, state))
            n = math.tanh(gate("ih", 2 * HIDDEN + unit, vector) + r * gate("hh", 2 * HIDDEN + unit, state))
            new_state.append((1.0 - z) * n + z * state[unit])
        state = new_state
        states.append(state)
    return states


@pytest.mark.parametrize("length", [1, 2, 8])
def test_output_equals_the_formula(length: int) -> None:
    torch.manual_seed(length)
    layer = BiGRU(inputs=INPUTS, outputs=2 * HIDDEN)
    states = torch.randn(1, length, INPUTS)
    sentence = states[0].double().tolist()
    forward, backward = (
        _one_direction(layer.left_to_right, sentence),
        _one_direction(layer.right_to_left, sentence[::-1])[::-1],
    )
    expected = torch.tensor([left + right for left, right in zip(forward, backward, strict=True)])
    got = layer(states, torch.ones(1, length, dtype=torch.bool))[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_output_equals_torch_gru_on_packed_sentences() -> None:
    torch.manual_seed(3)
    layer = BiGRU(inputs=INPUTS, outputs=2 * HIDDEN)
    reference = nn.GRU(INPUTS, HIDDEN, batch_first=True, bidirectional=True)
    weights = dict(layer.left_to_right.state_dict())
    weights |= {f"{name}_reverse": value for name, value in layer.right_to_left.state_dict().items()}
    reference.load_state_dict(weights)
    lengths = torch.tensor([4, 9, 1, 6])
    states = torch.randn(4, 9, INPUTS)
    packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(packed)[0], batch_first=True, total_length=9)
    torch.testing.assert_close(layer(states, torch.arange(9) < lengths[:, None]), expected, atol=1e-6, rtol=1e-6)


def test_padding_changes_nothing(assert_ignores_padding: Callable[..., None]) -> None:
    torch.manual_seed(0)
    assert_ignores_padding(BiGRU(inputs=6, outputs=8), 6)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        BiGRU(inputs=4, outputs=7)


def test_bf16_autocast_is_supported() -> None:
    torch.manual_seed(0)
    layer = BiGRU(inputs=6, outputs=8)
    states, mask = torch.randn(2, 6, 6), torch.arange(6) < torch.tensor([[6], [3]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(states.bfloat16(), mask)
    torch.testing.assert_close(rough.float(), layer(states, mask), atol=0.05, rtol=0.1)

"""The bidirectional LSTM against its formula, and against torch's LSTM on packed sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ssmi.model.network.layers.bilstm import BiLSTM

INPUTS, HIDDEN = 5, 3


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def _one_direction(lstm: nn.LSTM, sentence: list[list[float]]) -> list[list[float]]:
    w: dict[str, Any] = {name: value.double().tolist() for name, value in lstm.state_dict().items()}

    def gate(row: int, vector: list[float], state: list[float]) -> float:
        total = float(w["bias_ih_l0"][row]) + float(w["bias_hh_l0"][row])
        total += sum(a * b for a, b in zip(w["weight_ih_l0"][row], vector, strict=True))
        return total + sum(a * b for a, b in zip(w["weight_hh_l0"][row], state, strict=True))

    state, memory, states = [0.0] * HIDDEN, [0.0] * HIDDEN, []
    for vector in sentence:
        gates = [[gate(kind * HIDDEN + unit, vector, state) for unit in range(HIDDEN)] for kind in range(4)]
        memory = [
            _sigmoid(f) * before + _sigmoid(i) * math.tanh(g)
            for i, f, g, before in zip(*gates[:3], memory, strict=True)
        ]
        state = [_sigmoid(o) * math.tanh(cell) for o, cell in zip(gates[3], memory, strict=True)]
        states.append(state)
    return states


@pytest.mark.parametrize("length", [1, 2, 8])
def test_output_equals_the_formula(length: int) -> None:
    torch.manual_seed(length)
    layer = BiLSTM(inputs=INPUTS, outputs=2 * HIDDEN, dropout=0.0)
    states = torch.randn(1, length, INPUTS)
    sentence = states[0].double().tolist()
    forward_lstm, backward_lstm = layer.left_to_right, layer.right_to_left
    assert isinstance(forward_lstm, nn.LSTM) and isinstance(backward_lstm, nn.LSTM)
    forward, backward = _one_direction(forward_lstm, sentence), _one_direction(backward_lstm, sentence[::-1])[::-1]
    expected = torch.tensor([left + right for left, right in zip(forward, backward, strict=True)])
    got = layer(states, torch.ones(1, length, dtype=torch.bool))[0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_output_equals_torch_lstm_on_packed_sentences() -> None:
    torch.manual_seed(3)
    layer = BiLSTM(inputs=INPUTS, outputs=2 * HIDDEN, dropout=0.0)
    reference = nn.LSTM(INPUTS, HIDDEN, batch_first=True, bidirectional=True)
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
    assert_ignores_padding(BiLSTM(inputs=6, outputs=8, dropout=0.0), 6)


def test_input_dropout_acts_only_in_training() -> None:
    torch.manual_seed(0)
    layer = BiLSTM(inputs=400, outputs=4, dropout=0.3)
    inputs: list[torch.Tensor] = []
    layer.left_to_right.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    states, mask = torch.ones(2, 6, 400), torch.ones(2, 6, dtype=torch.bool)
    layer(states, mask)
    layer.eval()(states, mask)
    assert (inputs[0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(inputs[1], states)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        BiLSTM(inputs=4, outputs=7, dropout=0.0)


def test_cpu_computes_in_float32_under_bf16_autocast() -> None:
    """Many CPUs do not support an LSTM in bfloat16 and would fail."""
    torch.manual_seed(0)
    layer = BiLSTM(inputs=6, outputs=8, dropout=0.0)
    states, mask = torch.randn(2, 6, 6), torch.arange(6) < torch.tensor([[6], [3]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(states.bfloat16(), mask)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, layer(states.bfloat16().float(), mask))

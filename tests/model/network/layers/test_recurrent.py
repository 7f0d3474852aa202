"""Bidirectional reading, for every kind of cell."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ssmi.model.network.layers.recurrent import BothDirections, half


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_second_direction_reads_each_sentence_backwards(kind: type[nn.GRU | nn.LSTM]) -> None:
    torch.manual_seed(0)
    layer = BothDirections(kind(3, 2, batch_first=True), kind(3, 2, batch_first=True))
    states, lengths = torch.randn(2, 5, 3), [5, 2]
    both = layer(states, torch.arange(5) < torch.tensor(lengths)[:, None])
    for row, length in enumerate(lengths):
        forward = layer.left_to_right(states[row : row + 1, :length])[0][0]
        backward = layer.right_to_left(states[row : row + 1, :length].flip(1))[0][0].flip(0)
        torch.testing.assert_close(both[row, :length], torch.cat((forward, backward), dim=-1))
        assert not both[row, length:].any()


def test_each_direction_has_half_the_width() -> None:
    assert half(256) == 128
    with pytest.raises(ValueError, match="7 outputs cannot be shared evenly"):
        half(7)

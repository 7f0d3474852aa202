"""The BiLSTM of LSTM-CRF taggers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmi.model.network.layers.recurrent import BothDirections, half


class BiLSTM(BothDirections):
    """An LSTM in both directions, with dropout on what it reads (Lample et al. 2016, "Neural Architectures for NER").

    The cell is that of Hochreiter and Schmidhuber 1997 with a forget gate, as torch computes it::

        i_i = σ(W_i x_i + b_i + U_i h' + c_i)
        f_i = σ(W_f x_i + b_f + U_f h' + c_f)
        g_i = tanh(W_g x_i + b_g + U_g h' + c_g)
        o_i = σ(W_o x_i + b_o + U_o h' + c_o)
        m_i = f_i ⊙ m' + i_i ⊙ g_i
        h_i = o_i ⊙ tanh(m_i)

    h' and m' are the state and the memory of the character before in the one direction, of the character after in the
    other, and zero at the sentence's edge; the two h_i are concatenated.
    """

    def __init__(self, *, inputs: int, outputs: int, dropout: float) -> None:
        """Make both directions.

        Args:
            inputs: Width of what it reads.
            outputs: Width of both directions together; even, else ValueError.
            dropout: Probability that a number that it reads is dropped in training.

        """
        width = half(outputs)
        super().__init__(nn.LSTM(inputs, width, batch_first=True), nn.LSTM(inputs, width, batch_first=True))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Read each sentence in both directions; shapes as in ``BothDirections``."""
        if states.device.type != "cpu":
            return super().forward(self.dropout(states), mask)
        # Many CPUs have no LSTM in bfloat16: under autocast torch would fail there.
        with torch.autocast("cpu", enabled=False):
            return super().forward(self.dropout(states.float()), mask)

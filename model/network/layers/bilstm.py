"""The bidirectional LSTM of LSTM-CRF taggers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmi.model.network.layers.recurrent import BothDirections, half


class BiLSTM(BothDirections):
    """A bidirectional LSTM with dropout on its input (Lample et al. 2016, "Neural Architectures for NER").

    The cell is that of Hochreiter and Schmidhuber 1997 with a forget gate, as computed by torch::

        i_i = σ(W_i x_i + b_i + U_i h' + c_i)
        f_i = σ(W_f x_i + b_f + U_f h' + c_f)
        g_i = tanh(W_g x_i + b_g + U_g h' + c_g)
        o_i = σ(W_o x_i + b_o + U_o h' + c_o)
        m_i = f_i ⊙ m' + i_i ⊙ g_i
        h_i = o_i ⊙ tanh(m_i)

    h' and m' are the state and the memory of the preceding character in one direction, of the following character in
    the other, and zero at the edge of the sentence. The h_i of both directions are concatenated.
    """

    def __init__(self, *, inputs: int, outputs: int, dropout: float) -> None:
        """Create both directions.

        Args:
            inputs: Width of the input states.
            outputs: Joint width of both directions; must be even, else ValueError.
            dropout: Probability of dropping an input value in training.

        """
        width = half(outputs)
        super().__init__(nn.LSTM(inputs, width, batch_first=True), nn.LSTM(inputs, width, batch_first=True))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Read each sentence in both directions; see ``BothDirections.forward``."""
        if states.device.type != "cpu":
            return super().forward(self.dropout(states), mask)
        # On many CPUs torch has no LSTM in bfloat16 and would fail under autocast.
        with torch.autocast("cpu", enabled=False):
            return super().forward(self.dropout(states.float()), mask)

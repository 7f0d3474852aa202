"""The paper's bidirectional GRU."""

from __future__ import annotations

from torch import nn

from ssmi.model.network.layers.recurrent import BothDirections, half


class BiGRU(BothDirections):
    """H2 = GRU(MLP1(H1 ⊕ E_l)), in both directions (paper: "Local Enhancement").

    The cell is that of Cho et al. 2014, as computed by torch::

        r_i = σ(W_r x_i + b_r + U_r h' + c_r)
        z_i = σ(W_z x_i + b_z + U_z h' + c_z)
        n_i = tanh(W_n x_i + b_n + r_i ⊙ (U_n h' + c_n))
        h_i = (1 - z_i) ⊙ n_i + z_i ⊙ h'

    h' is the state of the preceding character in one direction, of the following character in the other, and zero at
    the edge of the sentence. The h_i of both directions are concatenated.
    """

    def __init__(self, *, inputs: int, outputs: int) -> None:
        """Create both directions; ``outputs`` is their joint width, which must be even, else ValueError."""
        width = half(outputs)
        super().__init__(nn.GRU(inputs, width, batch_first=True), nn.GRU(inputs, width, batch_first=True))

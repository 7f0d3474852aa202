"""The biaffine form that combines enhanced states with the encoder's states."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Biaffine(nn.Module):
    """Biaffine(H2', O_B), per character: x^T U y + W [x ⊕ y] + b (paper: "Global Enhancement"; Dozat & Manning 2017).

    U, ``bilinear``, holds one matrix per output, with shape (outputs, left, right). W is stored as its two halves, so
    that x ⊕ y is never written to memory.
    """

    def __init__(self, *, left: int, right: int, outputs: int) -> None:
        super().__init__()
        self.bilinear = nn.Parameter(torch.empty(outputs, left, right))
        self.left = nn.Linear(left, outputs)
        self.right = nn.Linear(right, outputs, bias=False)
        # x^T U y is a sum of left * right products: inputs of size 1 on both sides give an output of size 1.
        nn.init.normal_(self.bilinear, std=(left * right) ** -0.5)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Combine the states of each character.

        Args:
            left: H2'. Shape: (batch, length, left)
            right: O_B. Shape: (batch, length, right)

        Returns:
            The combined states. Shape: (batch, length, outputs)

        """
        outputs, n_left, n_right = self.bilinear.shape
        linear: Tensor = self.left(left) + self.right(right)
        # One large product from the wider side to the narrower, then a small product per character. In the other order
        # each character needs outputs * (the wider side) intermediate numbers.
        if n_left <= n_right:
            half = right @ self.bilinear.reshape(outputs * n_left, n_right).t()
            other = left
        else:
            half = left @ self.bilinear.transpose(0, 1).reshape(n_left, outputs * n_right)
            other = right
        form: Tensor = half.unflatten(-1, (outputs, -1)) @ other[..., None]
        return form.squeeze(-1) + linear

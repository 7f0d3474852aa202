"""The biaffine form that brings the encoder's states back in."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Biaffine(nn.Module):
    """Biaffine(H2', O_B), per character: x^T U y + W [x ⊕ y] + b (paper: "Global Enhancement"; Dozat & Manning 2017).

    U, ``bilinear``, is one matrix an output, of shape (outputs, left, right). W is kept as its two halves, so that
    x ⊕ y is never written to memory.
    """

    def __init__(self, *, left: int, right: int, outputs: int) -> None:
        super().__init__()
        self.bilinear = nn.Parameter(torch.empty(outputs, left, right))
        self.left = nn.Linear(left, outputs)
        self.right = nn.Linear(right, outputs, bias=False)
        # x^T U y is a sum of left * right products: numbers of size 1 on either side give a number of size 1.
        nn.init.normal_(self.bilinear, std=(left * right) ** -0.5)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Combine character by character.

        Args:
            left: H2'. Shape: (batch, length, left)
            right: O_B. Shape: (batch, length, right)

        Returns:
            Shape: (batch, length, outputs)

        """
        outputs, n_left, n_right = self.bilinear.shape
        linear: Tensor = self.left(left) + self.right(right)
        # One large product from the wider side to the narrower, then a small one at each character: in the other
        # order each character takes outputs * (the wider side) numbers in between.
        if n_left <= n_right:
            half = right @ self.bilinear.reshape(outputs * n_left, n_right).t()
            other = left
        else:
            half = left @ self.bilinear.transpose(0, 1).reshape(n_left, outputs * n_right)
            other = right
        form: Tensor = half.unflatten(-1, (outputs, -1)) @ other[..., None]
        return form.squeeze(-1) + linear

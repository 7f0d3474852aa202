"""The paper's layer normalisation, whose scale and shift depend on the state."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Added to the variance, inside the root."""


class AdaptiveNorm(nn.Module):
    """H2' = LN(H2) (paper: "Global Enhancement").

        LN(h) = f_a(h) ⊙ (h - µ) / σ + f_b(h),  f_a(h) = W_a h + b_a,  f_b(h) = W_b h + b_b

    µ and σ are the mean and the (biased) standard deviation over the elements of h. Initially W_a = W_b = 0, b_a = 1
    and b_b = 0, so that the layer starts as plain layer normalisation and learns how far to depart from it.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.scale = nn.Linear(width, width)
        self.shift = nn.Linear(width, width)
        for linear in (self.scale, self.shift):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.ones_(self.scale.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Normalise each state independently. Shape: (..., width) → (..., width)."""
        normal = functional.layer_norm(states, states.shape[-1:], eps=EPSILON)
        scaled: Tensor = self.scale(states) * normal + self.shift(states)
        return scaled

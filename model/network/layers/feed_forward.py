"""The paper's MLP1 and MLP2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """GELU(W x + b) (paper: MLP1 of "Local Enhancement", MLP2 of "Global Enhancement").

    The paper specifies neither depth nor activation; this uses one layer and the activation of BERT.
    """

    def __init__(self, *, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, states: Tensor) -> Tensor:
        """Map each state independently. Shape: (..., inputs) → (..., outputs)."""
        activated: Tensor = functional.gelu(self.linear(states))
        return activated

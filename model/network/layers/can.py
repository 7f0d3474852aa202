"""CAN: the convolutional attention layer of CAN-NER (Zhu & Wang 2019, arXiv 1904.02141)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

POSITION_WIDTH = 16
"""Width of p_t, the embedding of a position in the window (one-hot in CAN-NER)."""


class ConvolutionalAttention(nn.Module):
    """H1 = CAN(O_B): a convolution over each character's window, weighted by attention (paper: "Input Encoding").

    With r = (window - 1) / 2, for character i and every offset t in -r..r for which i + t is in the sentence::

        score_it = v^T tanh(W_q h_i + W_k (h_{i+t} ⊕ p_t))
        a_it     = softmax over these t of score_it
        H1_i     = sum over these t of K_t (a_it (h_{i+t} ⊕ p_t)), + b

    This is a convolution, sum-pooled, over the re-weighted window. In CAN-NER's own code zero padding takes part in the
    softmax; here positions outside the sentence do not, so that batching never changes a score.
    """

    def __init__(self, *, width: int, window: int, attention_width: int) -> None:
        """Set up the layer.

        Args:
            width: Width of the input and output states.
            window: Characters per window; must be odd, else ValueError.
            attention_width: Width of v.

        """
        super().__init__()
        if window < 1 or window % 2 == 0:
            raise ValueError(f"a window of {window} characters has no centre: an odd number is needed")
        self.window = window
        self.queries = nn.Linear(width, attention_width, bias=False)
        # W_k and each K_t are stored as their two halves, so that terms that depend only on p_t are computed once per
        # batch, not once per character.
        self.keys = nn.Linear(width, attention_width, bias=False)
        self.position_keys = nn.Linear(POSITION_WIDTH, attention_width, bias=False)
        self.scores = nn.Linear(attention_width, 1, bias=False)
        self.positions = nn.Parameter(torch.empty(window, POSITION_WIDTH))
        self.kernel = nn.Linear(window * width, width)
        self.position_kernel = nn.Parameter(torch.empty(window, POSITION_WIDTH, width))
        # Attention starts about uniform, which divides the size of a sum over the window by sqrt(window). With K_t
        # larger by that factor, H1 starts at the size of O_B. p_t starts small, like BERT's own positions, because it
        # is equal for all characters and would outweigh their differences.
        std = (window / width) ** 0.5
        nn.init.normal_(self.kernel.weight, std=std)
        nn.init.zeros_(self.kernel.bias)
        nn.init.normal_(self.position_kernel, std=std)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Attend and convolve.

        Args:
            states: O_B; values at padding are ignored. Shape: (batch, length, width)
            mask: bool, True on characters. Shape: (batch, length)

        Returns:
            H1, zero at padding. Shape: (batch, length, width)

        """
        reach = self.window // 2
        states = states.masked_fill(~mask[..., None], 0.0)
        weights = self._weights(states, mask)
        # Views, not copies: only the weighted window is written to memory, as the input of one large product. A Conv1d
        # does not apply, because the weights differ from character to character.
        neighbours = self._shifted(functional.pad(states, (0, 0, reach, reach)))
        window = torch.cat([weights[..., t, None] * neighbour for t, neighbour in enumerate(neighbours)], dim=-1)
        of_positions = torch.einsum("tp,tpo->to", self.positions, self.position_kernel)
        convolved: Tensor = self.kernel(window) + weights @ of_positions
        return convolved.masked_fill(~mask[..., None], 0.0)

    def _weights(self, states: Tensor, mask: Tensor) -> Tensor:
        """Compute a_it, which is meaningless if i is padding. Shape: (batch, length, window)."""
        reach = self.window // 2
        queries = self.queries(states)[:, :, None]
        keys = torch.stack(self._shifted(functional.pad(self.keys(states), (0, 0, reach, reach))), dim=2)
        scores = self.scores(torch.tanh(queries + keys + self.position_keys(self.positions))).squeeze(-1)
        real = torch.stack(self._shifted(functional.pad(mask, (reach, reach))), dim=2)
        # Not -inf: a window around padding may hold no character at all, and its gradient must stay finite.
        weights: Tensor = scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(-1)
        return weights

    def _shifted(self, padded: Tensor) -> list[Tensor]:
        """Return, for each offset in the window, the values at that offset from each character."""
        length = padded.shape[1] - self.window + 1
        return [padded[:, start : start + length] for start in range(self.window)]

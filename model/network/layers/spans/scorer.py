"""Scores of every span for every entity type, from the states of its first and last characters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.model.network.layers.feed_forward import FeedForward

_LENGTH_WIDTH = 25
"""Width of the embedding of a span's length, as used by its authors."""
_BLOCK = 64
"""First characters per product; a larger block would compute more pairs that are too far apart to be spans."""


class SpanScorer(nn.Module):
    """Scores of spans: a biaffine form of their ends (Yu et al. 2020) with the span's length (Zhu and Li 2022).

    The formula::

        s_i = dropout(GELU(W_s h_i + b_s))       e_j = dropout(GELU(W_e h_j + b_e))
        r_ijt = s_iᵀ U_t e_j + w_tᵀ (s_i ⊕ e_j ⊕ l_{j-i}) + b_t

    i and j are the first and the last character, and t is a type, where type 0 is "no entity". l is a learned vector
    for each length. U, ``bilinear``, holds one matrix per type, with shape (types, width, width). w is stored as its
    three parts, so that s_i ⊕ e_j ⊕ l is never written to memory. Spans longer than ``longest`` have no score.
    """

    def __init__(self, *, inputs: int, width: int, n_types: int, longest: int, dropout: float) -> None:
        """Create the parts.

        Args:
            inputs: Width of the states.
            width: Width of s and e.
            n_types: Number of entity types, without "no entity".
            longest: Characters of the longest span that has a score.
            dropout: Probability of dropping a value of s or e in training.

        """
        super().__init__()
        n_scores = n_types + 1
        self.longest = longest
        self.first = FeedForward(inputs=inputs, outputs=width)
        self.last = FeedForward(inputs=inputs, outputs=width)
        self.dropout = nn.Dropout(dropout)
        self.bilinear = nn.Parameter(torch.empty(n_scores, width, width))
        self.of_first = nn.Linear(width, n_scores, bias=False)
        self.of_last = nn.Linear(width, n_scores)
        self.lengths = nn.Embedding(longest, _LENGTH_WIDTH)
        self.of_length = nn.Linear(_LENGTH_WIDTH, n_scores, bias=False)
        # As in Biaffine: a sum of width² products of inputs of size 1 is then of size 1.
        nn.init.normal_(self.bilinear, std=1 / width)

    def forward(self, states: Tensor) -> Tensor:
        """Score all spans of up to ``longest`` characters, or up to the padded length if that is shorter.

        Args:
            states: The states of the characters. Shape: (batch, length, inputs)

        Returns:
            The scores: [:, i, n] is the span of n + 1 characters from character i, meaningless if the span exceeds its
            sentence. Shape: (batch, length, min(longest, length), n_types + 1)

        """
        n_lengths = min(self.longest, states.shape[1])
        first, last = self.dropout(self.first(states)), self.dropout(self.last(states))
        # Spans that begin near the end reach beyond the padded length, into zeros.
        beyond = (0, 0, 0, n_lengths - 1)
        of_last = functional.pad(self.of_last(last), beyond).unfold(1, n_lengths, 1).transpose(2, 3)
        of_length: Tensor = self.of_length(self.lengths.weight[:n_lengths])
        form = self._form(first, functional.pad(last, beyond), n_lengths)
        scores: Tensor = form + self.of_first(first)[:, :, None] + of_last + of_length
        return scores

    def _form(self, first: Tensor, last: Tensor, n_lengths: int) -> Tensor:
        """Compute s_iᵀ U_t e_j; ``last`` is n_lengths - 1 longer than ``first``. Shape as returned by ``forward``."""
        n_types, width, _ = self.bilinear.shape
        half = (first @ self.bilinear.transpose(0, 1).reshape(width, -1)).unflatten(-1, (n_types, width))
        blocks = []
        for start in range(0, first.shape[1], _BLOCK):
            block = half[:, start : start + _BLOCK]
            size = block.shape[1]
            reached = last[:, start : start + size + n_lengths - 1]
            # All pairs of the block, in one product per sentence; the pairs that form spans are then gathered.
            pairs = (block.flatten(1, 2) @ reached.mT).unflatten(1, (size, n_types))
            places = torch.arange(size, device=first.device)[:, None] + torch.arange(n_lengths, device=first.device)
            blocks.append(pairs.gather(3, places[None, :, None].expand(len(first), -1, n_types, -1)))
        return torch.cat(blocks, dim=1).transpose(2, 3)

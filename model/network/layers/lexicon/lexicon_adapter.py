"""LEBERT's lexicon adapter: adds the words that cover a character to its state between two encoder layers (a peer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-12
"""The epsilon of BERT's layer norms, which the authors use."""


class LexiconAdapter(nn.Module):
    """Attention of a character's state over its words, added to the state (not in the paper).

    Liu, Fu, Zhang and Xiao 2021, "Lexicon Enhanced Chinese Sequence Labeling Using BERT Adapter" (ACL)::

        v_ij = W_2 tanh(W_1 E_wij + b_1) + b_2
        a_i  = softmax_j(h_i^T W_attn v_ij)
        h_i' = LN(dropout(h_i + Σ_j a_ij v_ij))

    As in the authors' code, dropout also applies to v_ij, with one draw per word and batch. [CLS], [SEP] and characters
    without words have no sum to add but are normalised like the others. The authors keep the first five words of a
    character; here all are read.
    """

    def __init__(self, *, width: int, boundary_width: int, dropout: float) -> None:
        """Initialise as the authors do: v_ij is small at first, so that the encoder's states hardly change.

        Args:
            width: Width of a state.
            boundary_width: Width of a word vector.
            dropout: Probability of dropping a value in training.

        """
        super().__init__()
        self.first = nn.Linear(boundary_width, width)
        self.second = nn.Linear(width, width)
        self.attention = nn.Parameter(torch.empty(width, width))
        nn.init.normal_(self.attention, std=0.02)
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, words: Tensor, index: Tensor, mask: Tensor) -> Tensor:
        """Add the words to the states.

        Args:
            states: h. Shape: (batch, length, width)
            words: Vectors of the distinct words, each of which may cover many characters. Shape: (n, boundary_width)
            index: The words of each state, as rows of ``words``. Shape: (batch, length, n_words)
            mask: bool, True on words, False on padding. Shape: (batch, length, n_words)

        Returns:
            The states h'. Shape: (batch, length, width)

        """
        values = functional.embedding(index, self.dropout(self.second(self.first(words).tanh())))
        # float32 for the softmax, because the product is bfloat16 under autocast.
        scores = (values @ (states @ self.attention)[..., None]).squeeze(-1).float()
        # Finite instead of -inf, and masked again after the softmax, because a state without words would get NaN.
        weights = scores.masked_fill(~mask, torch.finfo(torch.float32).min).softmax(-1) * mask
        added = (weights[..., None].to(values.dtype) * values).sum(-2)
        normed: Tensor = self.norm(self.dropout(states + added))
        return normed

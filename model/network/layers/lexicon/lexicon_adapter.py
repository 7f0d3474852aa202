"""LEBERT's lexicon adapter: the words over a character, added to its state between two encoder layers (a peer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-12
"""Of BERT's layer norms, which the authors take."""


class LexiconAdapter(nn.Module):
    """Attention of a character's state over its words, added to the state (not in the paper).

    Liu, Fu, Zhang and Xiao 2021, "Lexicon Enhanced Chinese Sequence Labeling Using BERT Adapter" (ACL)::

        v_ij = W_2 tanh(W_1 E_wij + b_1) + b_2
        a_i  = softmax_j(h_i^T W_attn v_ij)
        h_i' = LN(dropout(h_i + Σ_j a_ij v_ij))

    v_ij is dropped too, as in the authors' code, with one draw a word and batch. [CLS], [SEP] and a character without
    words have no sum to add, but are normalised like the others. The authors keep the first five words of a character;
    here all are read.
    """

    def __init__(self, *, width: int, boundary_width: int, dropout: float) -> None:
        """Start as the authors do; with small v_ij, so that the encoder's states are hardly changed.

        Args:
            width: Of a state.
            boundary_width: Of a word's vector.
            dropout: Probability that a number is dropped in training.

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
            words: The vectors of the words, each once, as the same word lies over many characters. Shape: (n,
                boundary_width)
            index: The words of each state, as rows of ``words``. Shape: (batch, length, n_words)
            mask: bool, True where there is a word. Shape: (batch, length, n_words)

        Returns:
            h'. Shape: (batch, length, width)

        """
        values = functional.embedding(index, self.dropout(self.second(self.first(words).tanh())))
        # float32 before the softmax: under autocast the product comes in bfloat16.
        scores = (values @ (states @ self.attention)[..., None]).squeeze(-1).float()
        # Finite in place of -inf, and masked again after the softmax: a state without words would get NaN otherwise.
        weights = scores.masked_fill(~mask, torch.finfo(torch.float32).min).softmax(-1) * mask
        added = (weights[..., None].to(values.dtype) * values).sum(-2)
        normed: Tensor = self.norm(self.dropout(states + added))
        return normed

"""SoftLexicon: four weighted means of the words that cover a character (a peer; not in the paper)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_N_ROLES = 4
"""Number of roles of a character in a word: B, M, E, S."""


class SoftLexicon(nn.Module):
    """One vector for each role of a character (first, inner, last, only), averaged over the words with that role.

    Ma, Peng, Zhang, Wei and Huang 2020, "Simplify the Usage of Lexicon in Chinese NER" (ACL)::

        v(S) = 4 / Z · Σ_{w ∈ S} z(w) E_w      for S in B, M, E, S
        Z    = Σ_{w ∈ B ∪ M ∪ E ∪ S} z(w)
        e    = v(B) ⊕ v(M) ⊕ v(E) ⊕ v(S)

    z(w) = n(w) + 1, where n(w) is the number of matches of w in the training text that no longer match covers. The 1 is
    the smoothing constant of the paper's first version, with which a word unseen in training still has a weight. The
    authors' code also counts in dev and test, which leaks them to the network; here only train is counted. An empty set
    gives zero.
    """

    counts: Tensor

    def __init__(self, counts: Tensor) -> None:
        """Register the counts as a buffer, which is saved with the weights.

        Args:
            counts: n(w) of each row of the boundary embedding, int64; words in later rows count as unseen. Shape:
                (n_rows,)

        """
        super().__init__()
        self.register_buffer("counts", counts)

    def forward(self, words: Tensor, rows: Tensor, roles: Tensor) -> Tensor:
        """Average the words of each character.

        Args:
            words: E_w. Shape: (batch, length, n_words, boundary_width)
            rows: Embedding rows of the words, 0 for padding. Shape: (batch, length, n_words)
            roles: Role of the character in each word, an index of B, M, E, S. Shape: (batch, length, n_words)

        Returns:
            The vectors e, zero for a character without words. Shape: (batch, length, 4 · boundary_width)

        """
        weights = self._weights(rows)
        # A word weighs at least 1, so the clamp only changes the sum of characters without words.
        shares = _N_ROLES * weights / weights.sum(-1, keepdim=True).clamp(min=1.0)
        by_role = functional.one_hot(roles, _N_ROLES) * shares[..., None]
        return (by_role.transpose(-1, -2).to(words.dtype) @ words).flatten(-2)

    def _weights(self, rows: Tensor) -> Tensor:
        """Return z(w), 0 for padding. Shape: (batch, length, n_words)."""
        last = len(self.counts) - 1
        # `where` evaluates both sides, so rows beyond the counts are clamped to a valid index.
        seen = torch.where(rows <= last, self.counts[rows.clamp(max=last)], 0)
        return ((seen + 1) * (rows > 0)).float()

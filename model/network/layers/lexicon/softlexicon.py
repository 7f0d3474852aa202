"""SoftLexicon: the words over a character, as four weighted means (a peer; not in the paper)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_N_ROLES = 4
"""B, M, E, S: what a character may be in a word."""


class SoftLexicon(nn.Module):
    """The words in which a character is the first, an inner one, the last or the only one: a vector for each.

    Ma, Peng, Zhang, Wei and Huang 2020, "Simplify the Usage of Lexicon in Chinese NER" (ACL)::

        v(S) = 4 / Z · Σ_{w ∈ S} z(w) E_w      for S in B, M, E, S
        Z    = Σ_{w ∈ B ∪ M ∪ E ∪ S} z(w)
        e    = v(B) ⊕ v(M) ⊕ v(E) ⊕ v(S)

    z(w) = n(w) + 1, where n(w) says how often w matches in the training text without a longer match over all of it. The
    1 is the smoothing constant of the paper's first version: a word that training never saw still counts. The authors'
    code counts in dev and test too, which tells the network about them; here only train counts. An empty set is zero.
    """

    counts: Tensor

    def __init__(self, counts: Tensor) -> None:
        """Take the counts, which go with the weights.

        Args:
            counts: n(w) of each row of the boundary embedding, int64; a word of a later row was never seen. Shape:
                (n_rows,)

        """
        super().__init__()
        self.register_buffer("counts", counts)

    def forward(self, words: Tensor, rows: Tensor, roles: Tensor) -> Tensor:
        """Average the words of each character.

        Args:
            words: E_w. Shape: (batch, length, n_words, boundary_width)
            rows: Their rows, 0 for none. Shape: (batch, length, n_words)
            roles: What the character is in each of them, an index of B, M, E, S. Shape: (batch, length, n_words)

        Returns:
            e, zero for a character without words. Shape: (batch, length, 4 · boundary_width)

        """
        weights = self._weights(rows)
        # A word weighs at least 1, so the clamp changes the sum of characters without words alone.
        shares = _N_ROLES * weights / weights.sum(-1, keepdim=True).clamp(min=1.0)
        by_role = functional.one_hot(roles, _N_ROLES) * shares[..., None]
        return (by_role.transpose(-1, -2).to(words.dtype) @ words).flatten(-2)

    def _weights(self, rows: Tensor) -> Tensor:
        """z(w), 0 for none. Shape: (batch, length, n_words)."""
        last = len(self.counts) - 1
        # `where` computes both sides: rows behind the counts must still be an index.
        seen = torch.where(rows <= last, self.counts[rows.clamp(max=last)], 0)
        return ((seen + 1) * (rows > 0)).float()

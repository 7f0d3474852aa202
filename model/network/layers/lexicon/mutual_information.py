"""How well boundaries agree with their whole sentence (paper: "Global Mutual Maximization")."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

GlobalLoss = Literal["paper", "infonce"]


class MutualInformationScorer(nn.Module):
    """f(s, b) = σ(e_s^T W_sb e_b), in float32 even under autocast; not ``bounded``, without σ.

    ``weighted_mean`` makes E_g of its scores, ``contrastive_loss`` or, of unbounded ones, ``batch_contrastive_loss``
    the loss that trains them.
    """

    def __init__(self, *, sentence_width: int, boundary_width: int, bounded: bool = True) -> None:
        super().__init__()
        self.bounded = bounded
        self.weight = nn.Parameter(torch.empty(sentence_width, boundary_width))
        # σ's argument then spreads around 0 by |e_s| |e_b| sqrt(2 / (both widths)). Boundaries have length 1, sentences
        # 5 (measured, e5) to 20: by 0.3 to 1.3 at widths 384 and 100. So few values of f are saturated, and boundaries
        # differ from the first step on.
        nn.init.xavier_normal_(self.weight)

    def forward(self, sentences: Tensor, boundaries: Tensor) -> Tensor:
        """Score boundaries against their sentence.

        Args:
            sentences: e_s. Shape: (batch, sentence_width)
            boundaries: e_b. Shape: (batch, length, size, boundary_width)

        Returns:
            f(s, b), from 0 to 1 where bounded. Shape: (batch, length, size)

        """
        with torch.autocast(device_type=sentences.device.type, enabled=False):
            # The sentence first: one product a sentence, where mapping the boundaries would take one for each of them.
            projected = sentences.float() @ self.weight
            scores = boundaries.float().flatten(1, 2) @ projected[..., None]
        return self._squash(scores.view(boundaries.shape[:-1]))

    def score_all(self, sentences: Tensor, boundaries: Tensor) -> Tensor:
        """Score the boundaries of all sentences against each sentence.

        Args:
            sentences: e_s. Shape: (batch, sentence_width)
            boundaries: e_b. Shape: (batch, length, size, boundary_width)

        Returns:
            Shape: (batch, batch · length · size)

        """
        with torch.autocast(device_type=sentences.device.type, enabled=False):
            return self._squash(sentences.float() @ self.weight @ boundaries.float().flatten(0, 2).T)

    def _squash(self, scores: Tensor) -> Tensor:
        return scores.sigmoid() if self.bounded else scores


def weighted_mean(scores: Tensor, boundaries: Tensor, *, mask: Tensor, bounded: bool = True) -> Tensor:
    """E_g: the mean of each character's set, weighted by the softmax of f over the set; zero where the set is empty.

    Args:
        scores: f(s, b). Shape: (batch, length, size)
        boundaries: e_b. Shape: (batch, length, size, boundary_width)
        mask: bool, True on members of the set. Shape: (batch, length, size)
        bounded: Whether f lies between 0 and 1.

    Returns:
        E_g. Shape: (batch, length, boundary_width)

    """
    if bounded:
        # Not softmax, which gives NaN for an empty set. exp neither overflows nor vanishes, and a set with a member
        # sums to at least 1: the clamp changes empty ones alone.
        shares = scores.exp() * mask
        weights = shares / shares.sum(-1, keepdim=True).clamp(min=1.0)
    else:
        # The lowest number, not -∞, which gives NaN for an empty set.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
    return (weights[..., None] * boundaries).sum(2)


def contrastive_loss(
    scores: Tensor, negative_scores: Tensor, *, mask: Tensor, negative_mask: Tensor, kind: GlobalLoss
) -> Tensor:
    """L(s, B_i), to be minimised, averaged over a sentence's characters.

    ``paper``: −mean over b in B_i of [f(s, b) − log Σ exp f(s, b̂)], b̂ over the negatives; ``infonce``: exp f(s, b) is
    in the sum too. A character with an empty set or without negatives does not count.

    Args:
        scores: f of each character's set B_i. Shape: (batch, length, size)
        negative_scores: f of its negatives. Shape: (batch, length, n_negatives)
        mask: bool, True on members of the set. Shape: (batch, length, size)
        negative_mask: Whether each place of the negatives is filled. Shape: (batch, length, n_negatives)
        kind: Which of the two.

    Returns:
        Zero for a sentence of which no character counts. Shape: (batch,)

    """
    positive = mask.any(-1) & negative_mask.any(-1)
    # f lies between 0 and 1 here: exp needs no maximum subtracted, as that of free scores does below.
    rivals = (negative_scores.exp() * negative_mask).sum(-1, keepdim=True)
    if kind == "infonce":
        rivals = rivals + scores.exp()
    # Where nothing counts the log must still have a finite gradient.
    terms = rivals.masked_fill(~positive[..., None], 1.0).log() - scores
    losses = (terms * mask).sum(-1) / mask.sum(-1).clamp(min=1)
    return (losses * positive).sum(-1) / positive.sum(-1).clamp(min=1)


def batch_contrastive_loss(scores: Tensor, everywhere: Tensor, *, rows: Tensor) -> Tensor:
    """InfoNCE (van den Oord et al. 2018), to be minimised, averaged over a sentence's characters.

    −mean over b in B_i of [f(s, b) − log (exp f(s, b) + Σ exp f(s, b̂))], f without σ; b̂ runs over the members of the
    sets of the batch's other sentences, as often as they occur there, save those that are in a set of this sentence
    too. They are drawn as boundaries are distributed, which makes log(1 + their number) less the loss a lower bound of
    the mutual information. A character with an empty set does not count, nor does a sentence that has no rivals.

    Args:
        scores: f of each character's set B_i. Shape: (batch, length, size)
        everywhere: f of all sets' members with each sentence. Shape: (batch, batch · length · size)
        rows: Which boundary each member is, 0 where there is none. Shape: (batch, length, size)

    Returns:
        Zero for a sentence of which no character counts. Shape: (batch,)

    """
    # logsumexp and not exp, sum, log as above: f has no bound here, and exp could overflow.
    lowest = torch.finfo(everywhere.dtype).min
    rivals = everywhere.masked_fill(~_of_others(rows), lowest).logsumexp(-1)[:, None, None]
    mask = rows > 0
    # Without rivals their sum is the lowest number: a member is then sure to be the right one, and costs 0.
    terms = (torch.logaddexp(scores, rivals) - scores) * mask
    losses = terms.sum(-1) / mask.sum(-1).clamp(min=1)
    return losses.sum(-1) / mask.any(-1).sum(-1).clamp(min=1)


def _of_others(rows: Tensor) -> Tensor:
    """Which members of all sets are in no set of a sentence. Shape: (batch, length, size) → (batch, all of them)."""
    # Numbered within the batch: `own` is as wide as the batch has boundaries, not the whole table.
    distinct, index = rows.unique(return_inverse=True)
    own = torch.zeros(len(rows), len(distinct), dtype=torch.bool, device=rows.device)
    own.scatter_(1, index.flatten(1), True)
    return ~own[:, index.flatten()] & (rows > 0).flatten()

"""Mutual information between boundaries and their sentence (paper: "Global Mutual Maximization")."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

GlobalLoss = Literal["paper", "infonce"]


class MutualInformationScorer(nn.Module):
    """f(s, b) = σ(e_s^T W_sb e_b), in float32 even under autocast; without σ if not ``bounded``.

    ``weighted_mean`` computes E_g from the scores. The loss that trains them is ``contrastive_loss``, or
    ``batch_contrastive_loss`` for unbounded scores.
    """

    def __init__(self, *, sentence_width: int, boundary_width: int, bounded: bool = True) -> None:
        super().__init__()
        self.bounded = bounded
        self.weight = nn.Parameter(torch.empty(sentence_width, boundary_width))
        # The argument of σ then has mean 0 and deviation |e_s| |e_b| sqrt(2 / (sum of both widths)). Boundaries have
        # length 1, sentences 5 (measured, e5) to 20, which gives 0.3 to 1.3 at widths 384 and 100. Few values of f are
        # thus saturated, and boundaries differ from the first step on.
        nn.init.xavier_normal_(self.weight)

    def forward(self, sentences: Tensor, boundaries: Tensor) -> Tensor:
        """Score boundaries against their sentence.

        Args:
            sentences: e_s. Shape: (batch, sentence_width)
            boundaries: e_b. Shape: (batch, length, size, boundary_width)

        Returns:
            f(s, b), from 0 to 1 if bounded. Shape: (batch, length, size)

        """
        with torch.autocast(device_type=sentences.device.type, enabled=False):
            # The sentence is mapped, which takes one product per sentence rather than one per boundary.
            projected = sentences.float() @ self.weight
            scores = boundaries.float().flatten(1, 2) @ projected[..., None]
        return self._squash(scores.view(boundaries.shape[:-1]))

    def score_all(self, sentences: Tensor, boundaries: Tensor) -> Tensor:
        """Score the boundaries of all sentences against each sentence.

        Args:
            sentences: e_s. Shape: (batch, sentence_width)
            boundaries: e_b. Shape: (batch, length, size, boundary_width)

        Returns:
            The scores f. Shape: (batch, batch · length · size)

        """
        with torch.autocast(device_type=sentences.device.type, enabled=False):
            return self._squash(sentences.float() @ self.weight @ boundaries.float().flatten(0, 2).T)

    def _squash(self, scores: Tensor) -> Tensor:
        return scores.sigmoid() if self.bounded else scores


def weighted_mean(scores: Tensor, boundaries: Tensor, *, mask: Tensor, bounded: bool = True) -> Tensor:
    """Compute E_g: the mean of each character's set, weighted by the softmax of f; zero if the set is empty.

    Args:
        scores: f(s, b). Shape: (batch, length, size)
        boundaries: e_b. Shape: (batch, length, size, boundary_width)
        mask: bool, True on members of the set. Shape: (batch, length, size)
        bounded: Whether f is between 0 and 1.

    Returns:
        E_g. Shape: (batch, length, boundary_width)

    """
    if bounded:
        # Not softmax, which gives NaN for an empty set. exp neither overflows nor vanishes, and a non-empty set sums to
        # at least 1, so the clamp changes empty sets only.
        shares = scores.exp() * mask
        weights = shares / shares.sum(-1, keepdim=True).clamp(min=1.0)
    else:
        # The lowest finite number, because -∞ gives NaN for an empty set.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
    return (weights[..., None] * boundaries).sum(2)


def contrastive_loss(
    scores: Tensor, negative_scores: Tensor, *, mask: Tensor, negative_mask: Tensor, kind: GlobalLoss
) -> Tensor:
    """Compute the loss L(s, B_i), averaged over the characters of each sentence.

    ``paper`` is −mean over b in B_i of [f(s, b) − log Σ exp f(s, b̂)], where b̂ runs over the negatives; ``infonce``
    adds exp f(s, b) to the sum. Characters with an empty set or without negatives are left out.

    Args:
        scores: f of the members of each character's set B_i. Shape: (batch, length, size)
        negative_scores: f of each character's negatives. Shape: (batch, length, n_negatives)
        mask: bool, True on members of the set. Shape: (batch, length, size)
        negative_mask: bool, True on negatives. Shape: (batch, length, n_negatives)
        kind: The form of the loss.

    Returns:
        The losses, zero for a sentence whose characters are all left out. Shape: (batch,)

    """
    positive = mask.any(-1) & negative_mask.any(-1)
    # f is between 0 and 1 here, so exp needs no maximum subtracted, unlike unbounded scores below.
    rivals = (negative_scores.exp() * negative_mask).sum(-1, keepdim=True)
    if kind == "infonce":
        rivals = rivals + scores.exp()
    # Characters that are left out need a log with a finite gradient too.
    terms = rivals.masked_fill(~positive[..., None], 1.0).log() - scores
    losses = (terms * mask).sum(-1) / mask.sum(-1).clamp(min=1)
    return (losses * positive).sum(-1) / positive.sum(-1).clamp(min=1)


def batch_contrastive_loss(scores: Tensor, all_scores: Tensor, *, rows: Tensor) -> Tensor:
    """Compute the InfoNCE loss (van den Oord et al. 2018), averaged over the characters of each sentence.

    The loss is −mean over b in B_i of [f(s, b) − log (exp f(s, b) + Σ exp f(s, b̂))], with f without σ. b̂ runs over
    the members of the sets of the other sentences in the batch, as often as they occur, except those that are also in a
    set of this sentence. These follow the distribution of boundaries, so log(1 + their number) minus the loss is a
    lower bound on the mutual information. Characters with an empty set are left out, and sentences without any b̂ have
    loss 0.

    Args:
        scores: f of the members of each character's set B_i. Shape: (batch, length, size)
        all_scores: f of the members of all sets with each sentence. Shape: (batch, batch · length · size)
        rows: Embedding row of each member, 0 for padding. Shape: (batch, length, size)

    Returns:
        The losses, zero for a sentence whose characters are all left out. Shape: (batch,)

    """
    # logsumexp rather than exp, sum, log as above, because f is unbounded here and exp could overflow.
    lowest = torch.finfo(all_scores.dtype).min
    rivals = all_scores.masked_fill(~_of_others(rows), lowest).logsumexp(-1)[:, None, None]
    mask = rows > 0
    # Without rivals their log-sum is the lowest number, so the loss of a member is 0.
    terms = (torch.logaddexp(scores, rivals) - scores) * mask
    losses = terms.sum(-1) / mask.sum(-1).clamp(min=1)
    return losses.sum(-1) / mask.any(-1).sum(-1).clamp(min=1)


def _of_others(rows: Tensor) -> Tensor:
    """Mark the members of all sets that are in no set of each sentence. Shape: (batch, batch · length · size)."""
    # Renumbered within the batch, so that `own` is as wide as the number of its boundaries, not as the whole table.
    distinct, index = rows.unique(return_inverse=True)
    own = torch.zeros(len(rows), len(distinct), dtype=torch.bool, device=rows.device)
    own.scatter_(1, index.flatten(1), True)
    return ~own[:, index.flatten()] & (rows > 0).flatten()

"""Sums and maxima over all tag sequences of a linear chain, vectorised over the batch.

Forward-backward, with explicit gradients, and Viterbi (Rabiner 1989). Summing over the tags that may precede a tag is a
matrix product: exp(scores - their maximum) @ exp(transitions). With one maximum for all tags, a score 100 below the
maximum would vanish in float32: for example B-ORG beside a much better O, although the next character may need M-ORG or
E-ORG, which only follow B-ORG or M-ORG. Tags are therefore grouped by the tags that may precede them, and each group
has its own maximum.

Emissions are length × batch × n_tags. The mask is bool, length × batch, True from the first to the last character of
each sentence. Scores are float32 or float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ssmi.model.network.layers.threads import one_thread


class Transitions(NamedTuple):
    """Scores of a first tag, a last tag and two neighbours. Shapes: (n_tags,), (n_tags,), (n_tags, n_tags)."""

    start: Tensor
    end: Tensor
    between: Tensor


class Predecessors(nn.Module):
    """Allowed transitions as rows: one for each group of tags and each tag that may precede the tags of the group."""

    allowed: Tensor
    """bool, whether the right tag may follow the left one; every tag has a predecessor. Shape: (n_tags, n_tags)"""
    group: Tensor
    """The group of each tag. Shape: (n_tags,)"""
    row_tag: Tensor
    """The preceding tag of each row. Shape: (n_rows,)"""
    row_group: Tensor
    """The group of each row. Shape: (n_rows,)"""
    row_of: Tensor
    """The row of each allowed pair, 0 for other pairs. Shape: (n_tags, n_tags)"""
    outside: Tensor
    """-inf for a tag that may not precede the group, else 0. Shape: (n_groups, n_tags)"""

    def __init__(self, allowed: Tensor) -> None:
        super().__init__()
        members, group = torch.unique(allowed, dim=1, return_inverse=True)
        row_tag, row_group = members.nonzero(as_tuple=True)
        rows = torch.zeros(members.shape, dtype=torch.long)
        rows[row_tag, row_group] = torch.arange(len(row_tag))
        self._register("allowed", allowed)
        self._register("group", group)
        self._register("row_tag", row_tag)
        self._register("row_group", row_group)
        self._register("row_of", rows[:, group])
        self._register("outside", torch.zeros(members.T.shape).masked_fill(~members.T, -math.inf))

    def _register(self, name: str, value: Tensor) -> None:
        # Not saved with the weights, because all buffers follow from the allowed transitions.
        self.register_buffer(name, value, persistent=False)

    def factors(self, between: Tensor) -> tuple[Tensor, Tensor]:
        """Return exp(between - maximum of its column), 0 if forbidden, and the maxima. Shapes: as between, (n_tags,).

        Differences between allowed transitions to one tag are capped at 78 (637 in float64), so that no sum is 0.
        """
        maxima = between.masked_fill(~self.allowed, -math.inf).amax(0)
        floor = 0.9 * math.log(torch.finfo(between.dtype).tiny)
        # The clamp also lifts forbidden transitions (-inf) to the floor; the factor resets them to 0.
        return (between - maxima).clamp(floor, 0.0).exp() * self.allowed, maxima

    def rows(self, factors: Tensor) -> Tensor:
        """Return the factors by row, 0 for tags of another group. Shape: (n_rows, n_tags)."""
        return factors[self.row_tag] * (self.row_group[:, None] == self.group)


class Steps(NamedTuple):
    """Results of the forward pass for the backward pass. Weights and totals begin at step 1; step 0 is uninitialised.

    P(y[t-1] = i | y[t] = j, x) = weights[t, row of (i, j)] * factors[i, j] / totals[t, j]
    """

    last: Tensor
    """P(y = j | x) at the last character of each sentence. Shape: (batch, n_tags)"""
    weights: Tensor
    """exp(score of the row's tag - maximum of its group) at the step before. Shape: (length, batch, n_rows)"""
    totals: Tensor
    """Sum over the allowed predecessors of weight times factor. Shape: (length, batch, n_tags)"""
    factors: Tensor
    """As returned by ``Predecessors.factors``. Shape: (n_tags, n_tags)"""


def _forward(
    emissions: Tensor, mask: Tensor, transitions: Transitions, predecessors: Predecessors
) -> tuple[Tensor, Steps]:
    """Compute the log-sum over all sequences, (batch,), and the steps of the forward pass."""
    length, batch, n_tags = emissions.shape
    factors, maxima = predecessors.factors(transitions.between)
    rows = predecessors.rows(factors)
    # Fetched once, because a module looks up its buffers by name.
    group, row_tag, row_group, outside = (
        predecessors.group,
        predecessors.row_tag,
        predecessors.row_group,
        predecessors.outside,
    )
    # Allocated once and filled in place: the backward pass needs every step, and stacking a list would copy all steps.
    weights = emissions.new_empty(length, batch, len(rows))
    totals = emissions.new_empty(length, batch, n_tags)
    scores = transitions.start + emissions[0]
    for step in range(1, length):
        # The maximum of each group of tags, subtracted before exp and added back after log.
        best = (scores[:, None] + outside).amax(2)
        apart = scores.index_select(1, row_tag).sub_(best.index_select(1, row_group))
        torch.matmul(torch.exp(apart, out=weights[step]), rows, out=totals[step])
        following = totals[step].log().add_(best.index_select(1, group)).add_(maxima).add_(emissions[step])
        # At padding the scores of the last character are kept, to which the end scores are added.
        scores = torch.where(mask[step, :, None], following, scores)
    scores = scores + transitions.end
    return scores.logsumexp(1), Steps(scores.softmax(1), weights, totals, factors)


def _back(steps: Steps, mask: Tensor, predecessors: Predecessors) -> tuple[Tensor, Tensor]:
    """Compute P(y[t] = j | x), and its ratio to totals, 0 at t = 0 and padding. Shapes: (length, batch, n_tags)."""
    rows, row_tag = predecessors.rows(steps.factors).T.contiguous(), predecessors.row_tag
    marginals, shares = torch.empty_like(steps.totals), torch.zeros_like(steps.totals)
    marginal = steps.last
    for step in range(len(mask) - 1, 0, -1):
        real = mask[step, :, None]
        marginals[step] = marginal
        share = torch.where(real, marginal / steps.totals[step], 0.0)
        shares[step] = share
        rest = torch.where(real, 0.0, marginal)  # at padding that of the last character is kept
        marginal = rest.index_add_(1, row_tag, (share @ rows).mul_(steps.weights[step]))
    marginals[0] = marginal
    return marginals, shares


class _LogPartition(torch.autograd.Function):
    """The log-sum with explicit gradients.

    The gradients are the expected counts of each tag at each character and of each transition. Computed explicitly they
    take one backward pass, while autograd would keep the intermediate results of every step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        mask: Tensor,
        start: Tensor,
        end: Tensor,
        between: Tensor,
        predecessors: Predecessors,
    ) -> Tensor:
        total, steps = _forward(emissions, mask, Transitions(start, end, between), predecessors)
        ctx.save_for_backward(mask, *steps)
        # Not a tensor, so `save_for_backward` does not accept it.
        ctx.predecessors = predecessors
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        mask, *saved = ctx.saved_tensors
        predecessors: Predecessors = ctx.predecessors
        # Entered again, because the caller's contexts around the forward pass have ended when autograd calls this.
        with one_thread(mask.device), torch.autocast(device_type=mask.device.type, enabled=False):
            steps = Steps(*saved)
            steps = steps._replace(last=steps.last * gradients[0][:, None])  # everything below is linear in it
            expected, shares = _back(steps, mask, predecessors)
            pairs = torch.zeros_like(steps.factors)
            if len(mask) > 1:
                # Without step 0, whose memory is uninitialised: a NaN in it would persist even times a share of 0.
                rows = steps.weights[1:].flatten(0, 1).T @ shares[1:].flatten(0, 1) * predecessors.rows(steps.factors)
                pairs.index_add_(0, predecessors.row_tag, rows)
        # Padding repeats the expectation of the last character, but no emission was read there.
        return expected * mask[..., None], None, expected[0].sum(0), steps.last.sum(0), pairs, None


def log_partition(emissions: Tensor, mask: Tensor, transitions: Transitions, predecessors: Predecessors) -> Tensor:
    """Compute log Σ exp(score) over all allowed tag sequences; differentiable once. Shape: (batch,)."""
    total: Tensor = _LogPartition.apply(emissions, mask, *transitions, predecessors)  # type: ignore[no-untyped-call]
    return total


def path_score(emissions: Tensor, mask: Tensor, transitions: Transitions, tag_ids: Tensor) -> Tensor:
    """Score one sequence per sentence, (length, batch); values at padding are ignored. Shape: (batch,)."""
    # Padding may hold any number, while `gather` needs valid tag ids.
    tag_ids = tag_ids.masked_fill(~mask, 0)
    picked = emissions.gather(2, tag_ids[..., None]).squeeze(2)
    before = torch.cat((transitions.start[tag_ids[:1]], transitions.between[tag_ids[:-1], tag_ids[1:]]))
    last = tag_ids.gather(0, mask.sum(0, keepdim=True) - 1).squeeze(0)
    # A running sum, whose rounding zeros after the end cannot change, unlike that of a pairwise sum.
    return torch.where(mask, picked + before, 0.0).cumsum(0)[-1] + transitions.end[last]


def best_path(emissions: Tensor, mask: Tensor, transitions: Transitions) -> Tensor:
    """Find the tag ids of the highest score (Viterbi); arbitrary at padding. Shape: (length, batch).

    The best predecessors are not stored but recomputed in the backward pass, which needs one row where the forward pass
    needed n_tags. Scores are added there in pytorch-crf's order, so that ties due to rounding break as in pytorch-crf.
    """
    # Transposed, so that the backward pass reads one row per sentence: all predecessors of its tag.
    into = transitions.between.T.contiguous()
    scores = torch.empty_like(emissions)
    scores[0] = transitions.start + emissions[0]
    for step in range(1, len(mask)):
        best = (scores[step - 1, :, None] + into).amax(2) + emissions[step]
        torch.where(mask[step, :, None], best, scores[step - 1], out=scores[step])
    tags = torch.empty(mask.shape, dtype=torch.long, device=mask.device)
    tags[-1] = (scores[-1] + transitions.end).argmax(1)
    for step in range(len(mask) - 1, 0, -1):
        tag = tags[step]
        paths = (scores[step - 1] + into.index_select(0, tag)).add_(emissions[step].gather(1, tag[:, None]))
        torch.where(mask[step], paths.argmax(1), tag, out=tags[step - 1])
    return tags


@dataclass(frozen=True, slots=True)
class Posterior:
    """Probabilities of tags, given the emissions of the sentences."""

    marginals: Tensor
    """P(y[t] = j | x); at padding that of the last character. Shape: (length, batch, n_tags)"""
    steps: Steps
    row_of: Tensor

    @classmethod
    def of(cls, emissions: Tensor, mask: Tensor, transitions: Transitions, predecessors: Predecessors) -> Posterior:
        """Compute the posterior, in one forward and one backward pass."""
        _, steps = _forward(emissions, mask, transitions, predecessors)
        return cls(_back(steps, mask, predecessors)[0], steps, predecessors.row_of)

    def before(self, left: Tensor, right: Tensor, *, step: Tensor, sentence: Tensor) -> Tensor:
        """Return P(y[step - 1] = left | y[step] = right, x) for broadcastable indices; step must be at least 1."""
        weight = self.steps.weights[step, sentence, self.row_of[left, right]]
        return weight * self.steps.factors[left, right] / self.steps.totals[step, sentence, right]

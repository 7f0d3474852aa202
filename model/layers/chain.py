"""Sums and maxima over all tag sequences of a linear chain, a whole batch at a time.

Forward-backward and Viterbi (Rabiner 1989). Summing over the tags that may precede a tag is a matrix product,
exp(score - maximum) @ exp(transitions). With one maximum for all tags, what is 100 below it would be lost in float32:
B-ORG beside a much better O, though only M-ORG and E-ORG may follow it and the next character may want them. So the
tags are grouped by what may precede them, and each group has a maximum of its own.

Tensors: length × batch × n_tags; the mask is bool, length × batch, true up to each sentence's end, which is never empty.
A tag that cannot start or end a sentence has the score -inf there, and a forbidden transition is -inf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class Predecessors(nn.Module):
    """Which tags may precede which, as rows: one for each group of tags and each tag that may precede the group's.

    allowed: bool, whether the right tag may follow the left one; each has a predecessor. Shape: (n_tags, n_tags)
    """

    group: Tensor
    """The group of each tag. Shape: (n_tags,)"""
    row_tag: Tensor
    row_group: Tensor
    """What a row stands for. Shape: (n_rows,)"""
    row_of: Tensor
    """The row of an allowed pair, 0 for the others. Shape: (n_tags, n_tags)"""
    outside: Tensor
    """-inf where a tag may not precede a group, else 0. Shape: (n_groups, n_tags)"""

    def __init__(self, allowed: Tensor) -> None:
        super().__init__()
        members, group = torch.unique(allowed, dim=1, return_inverse=True)
        row_tag, row_group = members.nonzero(as_tuple=True)
        rows = torch.zeros(members.shape, dtype=torch.long)
        rows[row_tag, row_group] = torch.arange(len(row_tag))
        outside = torch.zeros(members.T.shape).masked_fill(~members.T, -torch.inf)
        for name, value in (
            ("group", group),
            ("row_tag", row_tag),
            ("row_group", row_group),
            ("row_of", rows[:, group]),
            ("outside", outside),
        ):
            self.register_buffer(name, value, persistent=False)

    def factors(self, transitions: Tensor) -> tuple[Tensor, Tensor]:
        """exp(transitions) over their columns' maxima, and these. Shapes: (n_rows, n_tags), (n_tags,)."""
        maxima = transitions.amax(0)
        belongs = self.row_group[:, None] == self.group
        return (transitions - maxima).exp()[self.row_tag] * belongs, maxima


@dataclass(frozen=True, slots=True)
class Sums:
    """What the forward pass leaves: all that is needed to walk back. Step 0 of weights and totals is unused.

    P(y[t-1] = i | y[t] = j, x) = weights[t, i's row] * factors[i's row, j] / totals[t, j]
    """

    log_partition: Tensor
    """Shape: (batch,)"""
    last: Tensor
    """P(y = j | x) of each sentence's last character. Shape: (batch, n_tags)"""
    weights: Tensor
    """Shape: (length, batch, n_rows)"""
    totals: Tensor
    """Shape: (length, batch, n_tags)"""
    factors: Tensor
    """Shape: (n_rows, n_tags)"""


def sum_paths(
    emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor, before: Predecessors
) -> Sums:
    """Forward pass. It has no gradient of its own: see ``log_partition``."""
    length, batch, n_tags = emissions.shape
    factors, scale = before.factors(transitions)
    weights = emissions.new_empty(length, batch, len(before.row_tag))
    totals = emissions.new_empty(length, batch, n_tags)
    scores = start + emissions[0]
    for step in range(1, length):
        maxima = (scores[:, None] + before.outside).amax(2)
        torch.exp(scores[:, before.row_tag] - maxima[:, before.row_group], out=weights[step])
        torch.matmul(weights[step], factors, out=totals[step])
        following = totals[step].log() + maxima[:, before.group] + scale + emissions[step]
        scores = torch.where(mask[step, :, None], following, scores)
    scores = scores + end
    return Sums(scores.logsumexp(1), scores.softmax(1), weights, totals, factors)

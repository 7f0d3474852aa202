"""What a span head is trained towards: the gold spans of tags, and their probability spread over spans nearby."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.pipeline.contract.labels import LabelSet, split_tag

NO_ENTITY = 0
"""The type of a span that is no entity; entity types follow in the label set's order."""


@dataclass(frozen=True, slots=True)
class SpanIndex:
    """Spans of a batch, one an entry of every tensor. Shape of each: (n_spans,).

    Attributes:
        sentence: Index in the batch.
        first: First character.
        last: Last character, itself part of the span.
        kind: Entity type, counted from 1.

    """

    sentence: Tensor
    first: Tensor
    last: Tensor
    kind: Tensor


class GoldSpans(nn.Module):
    """Tag ids → spans, on the device that they are on, for any tag scheme."""

    begins: Tensor
    goes_on: Tensor
    kinds: Tensor

    def __init__(self, labels: LabelSet) -> None:
        super().__init__()
        parts = [split_tag(tag) for tag in labels.tags]
        of_label = {label: index for index, label in enumerate(labels.entity_types, start=NO_ENTITY + 1)}
        # Not saved with the weights: they follow from the label set.
        for name, values in {
            "begins": [role in ("B", "S") for role, _ in parts],
            "goes_on": [role in ("M", "I", "E") for role, _ in parts],
            "kinds": [of_label.get(label, NO_ENTITY) for _, label in parts],
        }.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, tag_ids: Tensor, mask: Tensor) -> SpanIndex:
        """The entities of well-formed tags, sentence by sentence in their order.

        Args:
            tag_ids: int64; what stands at padding is not read. Shape: (batch, length)
            mask: bool, True on characters, right-padded. Shape: (batch, length)

        """
        # An entity ends at the first character, from its own first on, behind which none goes on.
        followed = functional.pad((self.goes_on[tag_ids] & mask)[:, 1:], (0, 1))
        places = torch.arange(mask.shape[1], device=mask.device)
        ends = places.expand_as(mask).masked_fill(followed, mask.shape[1])
        next_end = ends.flip(1).cummin(1).values.flip(1)
        sentence, first = (self.begins[tag_ids] & mask).nonzero(as_tuple=True)
        return SpanIndex(sentence, first, next_end[sentence, first], self.kinds[tag_ids[sentence, first]])


def boundary_smoothed(
    gold: SpanIndex, *, spans: Tensor, n_types: int, smoothing: float, distance: int, dtype: torch.dtype
) -> Tensor:
    """The probability of each type for each span (boundary smoothing, Zhu and Li 2022).

    An entity keeps 1 - ε of its probability. For each d = 1 ... D the spans whose first and last characters lie d away
    from its own, both distances added, share ε / D equally: there are 4 d of them, and what falls on one that is not
    among ``spans`` stays with the entity. An entity that is not among them gives nothing either. What is left of a
    span's probability is that of no entity. Entities that do not overlap never bring the types of a span over 1: where
    one gives to another, it gets as much back.

    Args:
        gold: The entities, none of which overlap.
        spans: bool: which spans there are, as ``SpanHead`` numbers them. Shape: (batch, length, n_lengths)
        n_types: Entity types, "no entity" not counted.
        smoothing: ε, 0 for none.
        distance: D.
        dtype: Of the result.

    Returns:
        They sum to 1 over the types. Shape: (batch, length, n_lengths, n_types + 1)

    """
    _, length, n_lengths = spans.shape
    targets = torch.zeros(*spans.shape, n_types + 1, dtype=dtype, device=spans.device)
    moves, shares = _neighbours(smoothing, distance)
    steps, mass = torch.tensor(moves, device=spans.device), torch.tensor(shares, dtype=dtype, device=spans.device)
    first, last = gold.first[:, None] + steps[:, 0], gold.last[:, None] + steps[:, 1]
    size = last - first
    possible = (first >= 0) & (first < length) & (size >= 0) & (size < n_lengths)
    # Where it is not possible the index is some other span's, which then gets nothing.
    first, size = first.clamp(0, length - 1), size.clamp(0, n_lengths - 1)
    sentence, kind = gold.sentence[:, None].expand_as(first), gold.kind[:, None].expand_as(first)
    possible &= spans[sentence, first, size]
    given = mass.expand_as(first).masked_fill(~possible, 0.0)
    # The first move is none: the entity itself has what it does not give away.
    given = torch.cat((1.0 - given[:, 1:].sum(1, keepdim=True), given[:, 1:]), dim=1) * possible[:, :1]
    targets.index_put_((sentence, first, size, kind), given, accumulate=True)
    targets[..., NO_ENTITY] = 1.0 - targets.sum(-1)
    return targets


def _neighbours(smoothing: float, distance: int) -> tuple[list[tuple[int, int]], list[float]]:
    """How far both ends move, and what a span that far gets; first no move at all."""
    moves, shares = [(0, 0)], [1.0 - smoothing]
    for first in range(-distance, distance + 1):
        for last in range(abs(first) - distance, distance - abs(first) + 1):
            away = abs(first) + abs(last)
            if away:
                moves.append((first, last))
                shares.append(smoothing / (distance * 4 * away))
    return moves, shares

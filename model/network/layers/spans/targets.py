"""Training targets of the span head: gold spans read from tags, smoothed over neighbouring spans."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.pipeline.contract.labels import LabelSet, split_tag

NO_ENTITY = 0
"""The type of a span that is not an entity; entity types follow in the label set's order."""


@dataclass(frozen=True, slots=True)
class SpanIndex:
    """Spans of a batch, with one entry per span in every tensor. Shape of each: (n_spans,).

    Attributes:
        sentence: Index of the sentence in the batch.
        first: First character of the span.
        last: Last character of the span, inclusive.
        kind: Entity type, counted from 1.

    """

    sentence: Tensor
    first: Tensor
    last: Tensor
    kind: Tensor


class GoldSpans(nn.Module):
    """Reads spans from tag ids, on their device, for any tag scheme."""

    begins: Tensor
    goes_on: Tensor
    kinds: Tensor

    def __init__(self, labels: LabelSet) -> None:
        super().__init__()
        parts = [split_tag(tag) for tag in labels.tags]
        of_label = {label: index for index, label in enumerate(labels.entity_types, start=NO_ENTITY + 1)}
        # Not saved with the weights, because they follow from the label set.
        for name, values in {
            "begins": [role in ("B", "S") for role, _ in parts],
            "goes_on": [role in ("M", "I", "E") for role, _ in parts],
            "kinds": [of_label.get(label, NO_ENTITY) for _, label in parts],
        }.items():
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, tag_ids: Tensor, mask: Tensor) -> SpanIndex:
        """Return the entities of well-formed tags, ordered by sentence and position.

        Args:
            tag_ids: int64; values at padding are ignored. Shape: (batch, length)
            mask: bool, True on characters, right-padded. Shape: (batch, length)

        """
        # An entity ends at the first of its characters that is not followed by a continuing tag.
        followed = functional.pad((self.goes_on[tag_ids] & mask)[:, 1:], (0, 1))
        places = torch.arange(mask.shape[1], device=mask.device)
        ends = places.expand_as(mask).masked_fill(followed, mask.shape[1])
        next_end = ends.flip(1).cummin(1).values.flip(1)
        sentence, first = (self.begins[tag_ids] & mask).nonzero(as_tuple=True)
        return SpanIndex(sentence, first, next_end[sentence, first], self.kinds[tag_ids[sentence, first]])


def boundary_smoothed(
    gold: SpanIndex, *, spans: Tensor, n_types: int, smoothing: float, distance: int, dtype: torch.dtype
) -> Tensor:
    """Compute the target probability of each type for each span (boundary smoothing, Zhu and Li 2022).

    An entity keeps 1 - ε of its probability. For each d = 1 ... D, the 4 d spans whose ends are at a total distance d
    from those of the entity share ε / D equally; the share of a span that is not among ``spans`` stays with the entity.
    An entity that is not among ``spans`` is ignored. The rest of a span's probability goes to "no entity". If entities
    do not overlap, the types of a span never sum to more than 1: an entity that gives a share to another gets an equal
    share back.

    Args:
        gold: The entities, which must not overlap.
        spans: bool, the existing spans, indexed as in ``SpanHead``. Shape: (batch, length, n_lengths)
        n_types: Number of entity types, without "no entity".
        smoothing: ε, 0 for none.
        distance: D, the largest distance.
        dtype: Type of the result.

    Returns:
        The probabilities, which sum to 1 over the types. Shape: (batch, length, n_lengths, n_types + 1)

    """
    _, length, n_lengths = spans.shape
    targets = torch.zeros(*spans.shape, n_types + 1, dtype=dtype, device=spans.device)
    moves, shares = _neighbours(smoothing, distance)
    steps, mass = torch.tensor(moves, device=spans.device), torch.tensor(shares, dtype=dtype, device=spans.device)
    first, last = gold.first[:, None] + steps[:, 0], gold.last[:, None] + steps[:, 1]
    size = last - first
    possible = (first >= 0) & (first < length) & (size >= 0) & (size < n_lengths)
    # Impossible spans are clamped to the index of another span, to which they add nothing.
    first, size = first.clamp(0, length - 1), size.clamp(0, n_lengths - 1)
    sentence, kind = gold.sentence[:, None].expand_as(first), gold.kind[:, None].expand_as(first)
    possible &= spans[sentence, first, size]
    given = mass.expand_as(first).masked_fill(~possible, 0.0)
    # The first move is (0, 0): the entity keeps what it does not give away.
    given = torch.cat((1.0 - given[:, 1:].sum(1, keepdim=True), given[:, 1:]), dim=1) * possible[:, :1]
    targets.index_put_((sentence, first, size, kind), given, accumulate=True)
    targets[..., NO_ENTITY] = 1.0 - targets.sum(-1)
    return targets


def _neighbours(smoothing: float, distance: int) -> tuple[list[tuple[int, int]], list[float]]:
    """Return the moves of both ends and the share of the span at each move; the first move is (0, 0)."""
    moves, shares = [(0, 0)], [1.0 - smoothing]
    for first in range(-distance, distance + 1):
        for last in range(abs(first) - distance, distance - abs(first) + 1):
            away = abs(first) + abs(last)
            if away:
                moves.append((first, last))
                shares.append(smoothing / (distance * 4 * away))
    return moves, shares

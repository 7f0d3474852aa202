"""The span head: states → scores of spans, their loss, and the entities that they mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.model.network.layers.spans.scorer import SpanScorer
from ssmi.model.network.layers.spans.targets import NO_ENTITY, GoldSpans, boundary_smoothed
from ssmi.pipeline.contract.labels import LabelSet, Span


class SpanHead(nn.Module):
    """Each span by itself is one of the entity types or none: P(t | i, j) = softmax over t of r_ijt.

    A span's scores stand where ``SpanScorer`` puts them: that of n + 1 characters from i on at [:, i, n]. The mask is
    bool, (batch, length), right-padded.
    """

    def __init__(self, labels: LabelSet, *, scorer: SpanScorer, smoothing: float, distance: int) -> None:
        """Put the head together.

        Args:
            labels: Whose entity types are scored, in their order, behind "no entity".
            scorer: Of as many types.
            smoothing: ε of boundary smoothing, 0 for none.
            distance: D, how far it goes.

        """
        super().__init__()
        self.labels = labels
        self.scorer = scorer
        self.gold = GoldSpans(labels)
        self.smoothing = smoothing
        self.distance = distance

    def scores(self, states: Tensor) -> Tensor:
        """r, from H3. Shape: (batch, length, inputs) → (batch, length, n_lengths, n_types + 1)."""
        scores: Tensor = self.scorer(states)
        return scores

    def forward(self, scores: Tensor, tag_ids: Tensor, *, mask: Tensor) -> Tensor:
        """The cross-entropy of all spans of a sentence to what boundary smoothing makes of its tags, added up.

        Args:
            scores: As ``scores`` gives them.
            tag_ids: int64; what stands at padding is not read. Shape: (batch, length)
            mask: True on characters. Shape: (batch, length)

        Returns:
            Shape: (batch,)

        """
        spans = _spans_within(scores, mask)
        targets = boundary_smoothed(
            self.gold(tag_ids, mask),
            spans=spans,
            n_types=len(self.labels.entity_types),
            smoothing=self.smoothing,
            distance=self.distance,
            dtype=scores.dtype,
        )
        losses = functional.cross_entropy(scores.flatten(0, 2), targets.flatten(0, 2), reduction="none")
        return losses.view_as(spans).masked_fill(~spans, 0.0).sum((1, 2))

    @torch.no_grad()
    def decode(self, scores: Tensor, *, mask: Tensor) -> list[list[Span]]:
        """The entities of each sentence, in order and without overlaps.

        Every span that is more probably of some type than none is taken, the most probable ones first, unless it
        overlaps one that was taken before; of equals the one that begins first, then the shorter.
        """
        best, kinds = _probabilities(scores).max(-1)
        found = (_spans_within(scores, mask) & (kinds != NO_ENTITY)).nonzero(as_tuple=True)
        # One transfer from the device for all sentences.
        rows = torch.stack((*found, kinds[found]), dim=1).tolist()
        taken = [bytearray(mask.shape[1]) for _ in range(len(mask))]
        decoded: list[list[Span]] = [[] for _ in range(len(mask))]
        # Stable, and nonzero goes by first character, then by length.
        for index in best[found].argsort(descending=True, stable=True).tolist():
            sentence, first, size, kind = rows[index]
            end = first + size + 1
            if not any(taken[sentence][first:end]):
                taken[sentence][first:end] = b"\x01" * (end - first)
                decoded[sentence].append(Span(first, end, self.labels.entity_types[kind - 1]))
        return [sorted(spans) for spans in decoded]

    @torch.no_grad()
    def span_probabilities(self, scores: Tensor, *, mask: Tensor, spans: Sequence[Sequence[Span]]) -> list[list[float]]:
        """P(its type | span) of each span; 0 for one that is longer than any of training.

        Args:
            scores: As ``scores`` gives them.
            mask: True on characters. Shape: (batch, length)
            spans: Of each sentence; they need not be the decoded ones and may overlap.

        Returns:
            A number from 0 to 1 for each span, by sentence.

        Raises:
            ValueError: A span outside its sentence, or with a type that the label set does not know.

        """
        types = self.labels.entity_types
        n_lengths = scores.shape[2]
        places: list[tuple[int, int, int, int]] = []
        for sentence, (of_sentence, length) in enumerate(zip(spans, mask.sum(1).tolist(), strict=True)):
            for span in of_sentence:
                if not 0 <= span.start < span.end <= length or span.label not in types:
                    raise ValueError(f"{span} in a sentence of {length} characters, types {types}")
                places.append((sentence, span.start, span.end - span.start - 1, types.index(span.label) + 1))
        if not places:
            return [[] for _ in spans]
        rows, first, size, kind = torch.tensor(places, device=scores.device).T
        of_span = _probabilities(scores[rows, first, size.clamp(max=n_lengths - 1)])
        found = of_span.gather(1, kind[:, None]).squeeze(1).masked_fill(size >= n_lengths, 0.0)
        probabilities = iter(found.tolist())
        return [[next(probabilities) for _ in of_sentence] for of_sentence in spans]


def _probabilities(scores: Tensor) -> Tensor:
    """P(t | i, j), in float64: in float32 all sure spans would be equally probable, namely 1."""
    return scores.double().softmax(-1)


def _spans_within(scores: Tensor, mask: Tensor) -> Tensor:
    """Which spans lie in their sentence. Shape: (batch, length, n_lengths)."""
    length, n_lengths = scores.shape[1:3]
    last = torch.arange(length, device=mask.device)[:, None] + torch.arange(n_lengths, device=mask.device)
    return last < mask.sum(1)[:, None, None]

"""The span head: scores of spans, their loss, and their decoding into entities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.model.network.layers.spans.scorer import SpanScorer
from ssmi.model.network.layers.spans.targets import NO_ENTITY, GoldSpans, boundary_smoothed
from ssmi.pipeline.contract.labels import LabelSet, Span


class SpanHead(nn.Module):
    """A classifier of each span into the entity types or none: P(t | i, j) = softmax over t of r_ijt.

    Scores are indexed as by ``SpanScorer``: [:, i, n] is the span of n + 1 characters from character i. The mask is
    bool, (batch, length), right-padded.
    """

    def __init__(self, labels: LabelSet, *, scorer: SpanScorer, smoothing: float, distance: int) -> None:
        """Assemble the head.

        Args:
            labels: Label set whose entity types are scored, in order, after "no entity".
            scorer: Scorer for these types.
            smoothing: ε of boundary smoothing, 0 for none.
            distance: D, the largest distance of boundary smoothing.

        """
        super().__init__()
        self.labels = labels
        self.scorer = scorer
        self.gold = GoldSpans(labels)
        self.smoothing = smoothing
        self.distance = distance

    def scores(self, states: Tensor) -> Tensor:
        """Compute r from H3. Shape: (batch, length, inputs) → (batch, length, n_lengths, n_types + 1)."""
        scores: Tensor = self.scorer(states)
        return scores

    def forward(self, scores: Tensor, tag_ids: Tensor, *, mask: Tensor) -> Tensor:
        """Compute the cross-entropy of the boundary-smoothed gold spans, summed over all spans of each sentence.

        Args:
            scores: The result of ``scores``.
            tag_ids: int64; values at padding are ignored. Shape: (batch, length)
            mask: True on characters. Shape: (batch, length)

        Returns:
            The losses. Shape: (batch,)

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
        """Return the entities of each sentence, in order and without overlaps.

        Spans whose most probable type is not "no entity" are accepted in order of decreasing probability, unless they
        overlap an accepted span. Of equally probable spans, the one that begins first comes first, then the shorter.
        """
        best, kinds = _probabilities(scores).max(-1)
        found = (_spans_within(scores, mask) & (kinds != NO_ENTITY)).nonzero(as_tuple=True)
        # A single transfer from the device for all sentences.
        rows = torch.stack((*found, kinds[found]), dim=1).tolist()
        taken = [bytearray(mask.shape[1]) for _ in range(len(mask))]
        decoded: list[list[Span]] = [[] for _ in range(len(mask))]
        # Stable, because nonzero orders spans by first character, then by length.
        for index in best[found].argsort(descending=True, stable=True).tolist():
            sentence, first, size, kind = rows[index]
            end = first + size + 1
            if not any(taken[sentence][first:end]):
                taken[sentence][first:end] = b"\x01" * (end - first)
                decoded[sentence].append(Span(first, end, self.labels.entity_types[kind - 1]))
        return [sorted(spans) for spans in decoded]

    @torch.no_grad()
    def span_probabilities(self, scores: Tensor, *, mask: Tensor, spans: Sequence[Sequence[Span]]) -> list[list[float]]:
        """Return P(its type | span) of each span; 0 for a span longer than any scored span.

        Args:
            scores: The result of ``scores``.
            mask: True on characters. Shape: (batch, length)
            spans: The spans of each sentence, which need not be decoded ones and may overlap.

        Returns:
            The probability of each span, from 0 to 1, by sentence.

        Raises:
            ValueError: A span lies outside its sentence, or its type is not in the label set.

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
    """Return P(t | i, j) in float64, because in float32 all near-certain spans would have probability 1."""
    return scores.double().softmax(-1)


def _spans_within(scores: Tensor, mask: Tensor) -> Tensor:
    """Return whether each span lies within its sentence. Shape: (batch, length, n_lengths)."""
    length, n_lengths = scores.shape[1:3]
    last = torch.arange(length, device=mask.device)[:, None] + torch.arange(n_lengths, device=mask.device)
    return last < mask.sum(1)[:, None, None]

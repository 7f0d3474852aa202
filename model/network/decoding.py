"""Decode a batch into entities; the only place that does so, for training, evaluation and tagging text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ssmi.model import hardware
from ssmi.model.data.batches import Batch
from ssmi.model.network.layers.spans.head import SpanHead
from ssmi.model.network.network import Network
from ssmi.pipeline.contract.labels import LabelSet, Span, strict_spans
from ssmi.pipeline.contract.text.words import whole_words


@dataclass(frozen=True, slots=True)
class Decoded:
    """The entities of a batch: one item per sentence, in the batch's order.

    Attributes:
        spans: The entities, moved to the edges of whole words.
        probabilities: Probability of each span, then of each extra span, that exactly this entity is right, from 0 to
            1: over all tag sequences with a CRF, over the types of this span with a span head. None if not requested.
        ill_formed: Number of pieces of the tag paths that are not an entity; 0 with a span head, which has no paths.
        n_characters: Number of characters of all sentences.

    """

    spans: list[list[Span]]
    probabilities: list[list[float]] | None
    ill_formed: int
    n_characters: int


@torch.inference_mode()
def decode(
    network: Network,
    batch: Batch,
    *,
    labels: LabelSet,
    precision: str,
    kinds: Sequence[Sequence[int]],
    probabilities: bool,
    extra_spans: Sequence[Sequence[Span]] | None = None,
) -> Decoded:
    """Decode the entities of each sentence: those of the best tag path, or the best spans that do not overlap.

    Args:
        network: The network, in evaluation mode.
        batch: The batch, on the network's device.
        labels: The label set of the network.
        precision: A ``train.precision`` setting for ``hardware.autocast``.
        kinds: The ``words.edges`` of each sentence.
        probabilities: Whether to compute probabilities, which takes one more forward and backward pass of a CRF.
        extra_spans: Further spans of each sentence to compute probabilities for.

    Returns:
        The entities, with probabilities if requested.

    """
    head = network.span or network.crf
    assert head is not None
    # Only the network runs under autocast; the sums of the CRF are computed in float32.
    with hardware.autocast(network.device, precision):
        scores = network.emissions(batch) if network.span is None else network.span_scores(batch)
    if isinstance(head, SpanHead):
        found = head.decode(scores, mask=batch.mask)
        read = [(whole_words(entities, edges), 0) for entities, edges in zip(found, kinds, strict=True)]
    else:
        paths = head.decode(scores, mask=batch.mask)
        read = [entities_of(path, edges, labels=labels) for path, edges in zip(paths, kinds, strict=True)]
    spans = [entities for entities, _ in read]
    probable = None
    if probabilities:
        scored = spans
        if extra_spans is not None:
            scored = [[*entities, *extra] for entities, extra in zip(spans, extra_spans, strict=True)]
        probable = head.span_probabilities(scores, mask=batch.mask, spans=scored)
    return Decoded(spans, probable, sum(ill_formed for _, ill_formed in read), sum(map(len, kinds)))


def entities_of(path: Sequence[int], kinds: Sequence[int], *, labels: LabelSet) -> tuple[list[Span], int]:
    """Return the entities of a tag path, moved to the edges of whole words, and the number of ill-formed pieces."""
    names = labels.tags
    spans, ill_formed = strict_spans([names[tag_id] for tag_id in path], scheme=labels.scheme)
    return whole_words(spans, kinds), ill_formed

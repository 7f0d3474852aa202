"""From a batch to entities: the one place where what a head decodes becomes them, in training, evaluation and text."""

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
    """The entities of a batch; one item a sentence, in the batch's order.

    Attributes:
        spans: At the edges of whole words.
        probabilities: Of each span, then of each extra one: how probable exactly this entity is, from 0 to 1; with a
            CRF over all tag sequences, with a span head among the types of this very span. None where not wanted.
        ill_formed: Pieces of the tag paths that are not an entity; a span head has no paths, and none.
        n_characters: Of all sentences.

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
    """The entities of each sentence: those of its best tag path, or the best spans that do not overlap.

    Args:
        network: In evaluation mode.
        batch: On the network's device.
        labels: Of the network's tags.
        precision: As ``hardware.autocast`` takes it.
        kinds: What ``words.edges`` says of each sentence.
        probabilities: Whether they are wanted; a CRF takes a forward and a backward pass more for them.
        extra_spans: Spans of each sentence whose probabilities are wanted too.

    Returns:
        The entities, and probabilities where wanted.

    """
    head = network.span or network.crf
    assert head is not None
    # The network alone: the sums of the CRF are taken in float32.
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
    """The entities of a sentence's tag ids, at the edges of whole words, and the number of ill-formed pieces."""
    names = labels.tags
    spans, ill_formed = strict_spans([names[tag_id] for tag_id in path], scheme=labels.scheme)
    return whole_words(spans, kinds), ill_formed

"""From a batch to entities: the one place where a tag path becomes spans, for training, evaluation and text alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ssmi.model import hardware
from ssmi.model.data.batches import Batch
from ssmi.model.network.network import Network
from ssmi.pipeline.contract.labels import LabelSet, Span, strict_spans
from ssmi.pipeline.contract.text.words import whole_words


@dataclass(frozen=True, slots=True)
class Decoded:
    """The entities of a batch; one item a sentence, in the batch's order.

    Attributes:
        spans: At the edges of whole words.
        probabilities: Of each span, then of each extra one: how probable exactly this entity is over all tag sequences,
            from 0 to 1. None where they were not wanted.
        ill_formed: Pieces of the tag paths that are not an entity.
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
    """The entities of the best tag path of each sentence.

    Args:
        network: In evaluation mode.
        batch: On the network's device.
        labels: Of the network's tags.
        precision: As ``hardware.autocast`` takes it.
        kinds: What ``words.edges`` says of each sentence.
        probabilities: Whether they are wanted; they take a forward and a backward pass of the CRF more.
        extra_spans: Spans of each sentence whose probabilities are wanted too.

    Returns:
        The entities, and probabilities where wanted.

    """
    # The network alone: the sums of the CRF are taken in float32.
    with hardware.autocast(network.tags.weight.device, precision):
        emissions = network.emissions(batch)
    paths = network.crf.decode(emissions, mask=batch.mask)
    read = [entities_of(path, edges, labels=labels) for path, edges in zip(paths, kinds, strict=True)]
    spans = [entities for entities, _ in read]
    scores = None
    if probabilities:
        scored = spans
        if extra_spans is not None:
            scored = [[*entities, *extra] for entities, extra in zip(spans, extra_spans, strict=True)]
        scores = network.crf.span_probabilities(emissions, mask=batch.mask, spans=scored)
    return Decoded(spans, scores, sum(ill_formed for _, ill_formed in read), sum(map(len, paths)))


def entities_of(path: Sequence[int], kinds: Sequence[int], *, labels: LabelSet) -> tuple[list[Span], int]:
    """The entities of a sentence's tag ids, at the edges of whole words, and the number of ill-formed pieces."""
    names = labels.tags
    spans, ill_formed = strict_spans([names[tag_id] for tag_id in path], scheme=labels.scheme)
    return whole_words(spans, kinds), ill_formed

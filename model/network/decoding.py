"""From a batch to entities: the one place where a tag path becomes spans, for training, evaluation and text alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ssmi.model import hardware
from ssmi.model.data.batches import Batch
from ssmi.model.network.network import Network
from ssmi.pipeline.contract.labels import LabelSet, Span, strict_spans
from ssmi.pipeline.contract.words import whole_words


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a network finds in a batch; one item a sentence, in the batch's order."""

    spans: list[list[Span]]
    """At the edges of whole words."""
    probabilities: list[list[float]] | None
    """Of each span, then of each that was asked about: how probable exactly this entity is over all tag sequences. None
    where they were not asked for."""
    ill_formed: int
    """Pieces of the paths that are no entity."""
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
    asked: Sequence[Sequence[Span]] | None = None,
) -> Decoded:
    """The entities of the best tag path of each sentence; ``probabilities`` costs a forward and a backward pass more.

    kinds: what ``words.edges`` says of each sentence. asked: spans of each whose probabilities are wanted too.

    The batch lies where the network does.
    """
    with hardware.autocast(network.tags.weight.device, precision):
        emissions = network.emissions(batch)
    paths = network.crf.decode(emissions, mask=batch.mask)
    read = [entities_of(path, edges, labels=labels) for path, edges in zip(paths, kinds, strict=True)]
    spans = [own for own, _ in read]
    found = None
    if probabilities:
        wanted = spans if asked is None else [[*own, *more] for own, more in zip(spans, asked, strict=True)]
        found = network.crf.span_probabilities(emissions, mask=batch.mask, spans=wanted)
    return Decoded(spans, found, sum(pieces for _, pieces in read), sum(map(len, paths)))


def entities_of(path: Sequence[int], kinds: Sequence[int], *, labels: LabelSet) -> tuple[list[Span], int]:
    """The entities of a sentence's tag ids, at the edges of whole words, and how many pieces of the path are none."""
    names = labels.tags
    spans, ill_formed = strict_spans([names[tag_id] for tag_id in path], scheme=labels.scheme)
    return whole_words(spans, kinds), ill_formed

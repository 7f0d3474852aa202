"""Score a network on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model import checkpoint as checkpoints
from model import hardware
from model.batches import EVALUATION_BATCH, collate, evaluation_batches
from model.data import Split, open_shards, read_split
from model.decoding import tags_of
from model.files import CHECKPOINT
from model.network import Network, check_encoder, wanted
from model.scoring import Scores, score
from pipeline.contract.errors import InputDataError
from pipeline.contract.labels import LabelSet, Span
from pipeline.contract.params import Params
from pipeline.contract.progress import Reporter


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a run makes of a split; gold and tags have one item a sentence, in the split's order."""

    gold: Sequence[Sequence[Span]]
    tags: Sequence[Sequence[str]]
    labels: LabelSet
    params: Params
    """Of the run."""
    best_epoch: int
    """The epoch of its weights; 0 for those of a run stopped in its first."""


def evaluate(*, run: Path, shards: Path, split: str, device: str, reporter: Reporter) -> Scores:
    """Reload a run's checkpoint and score it on a split of any shards of the same labels, vocabulary and encoder.

    Raises StaleArtifactError when they differ, InputDataError when the split is empty.
    """
    tagged = tag_split(run=run, shards=shards, split=split, device=device, reporter=reporter)
    return score(tagged.gold, tagged.tags, scheme=tagged.labels.scheme)


def tag_split(*, run: Path, shards: Path, split: str, device: str, reporter: Reporter) -> Tagged:
    """Reload a run's checkpoint and tag a split; raises as ``evaluate`` does."""
    opened = open_shards(shards)
    checkpoint = checkpoints.load(run / CHECKPOINT, shards=opened)
    params = checkpoint.params
    data = read_split(opened, split, boundaries=checkpoint.boundaries, wanted=wanted(params.model))
    if not len(data):
        raise InputDataError(f"{shards}: no {split} sentences", next_step="choose another split")
    network = checkpoint.network
    if network.encoder is not None:
        check_encoder(network.encoder, opened, largest_token_id=int(data.token_ids.max(initial=0)))
    target = hardware.choose_device(device)
    hardware.set_threads(params.train.threads)
    tags = predict(
        network.to(target),
        data,
        labels=checkpoint.labels,
        precision=params.train.precision,
        reporter=reporter,
        title=split,
    )
    return Tagged(data.gold, tags, checkpoint.labels, params, checkpoint.facts.best_epoch)


def score_split(
    network: Network, split: Split, *, labels: LabelSet, precision: str, reporter: Reporter, title: str
) -> Scores:
    """Decode every sentence where the network is, and score; leaves the network in evaluation mode."""
    tags = predict(network, split, labels=labels, precision=precision, reporter=reporter, title=title)
    return score(split.gold, tags, scheme=labels.scheme)


@torch.inference_mode()
def predict(
    network: Network, split: Split, *, labels: LabelSet, precision: str, reporter: Reporter, title: str
) -> list[list[str]]:
    """The tags of every sentence, in the split's order; entities hold whole words, as prediction gives them out."""
    network.eval()
    device = network.tags.weight.device
    predicted: list[list[str]] = [[] for _ in range(len(split))]
    with reporter.task(title, total=len(split.token_ids), unit="characters") as advance:
        for rows in evaluation_batches(split.lengths, batch_size=EVALUATION_BATCH):
            batch = collate(split, rows).to(device)
            with hardware.autocast(device, precision):
                paths = network.decode(batch)
            for row, path in zip(rows.tolist(), paths, strict=True):
                predicted[row] = tags_of(path, split.kinds_of(row), labels=labels)
            advance(sum(map(len, paths)))
    return predicted

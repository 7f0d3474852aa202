"""Score a network on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.model import hardware
from ssmi.model.data.batches import EVALUATION_BATCH, collate, evaluation_batches
from ssmi.model.data.shards import Split, open_shards, read_split
from ssmi.model.evaluation.calibration import Calibration, calibrate, guesses
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.decoding import decode
from ssmi.model.network.network import Network, check_encoder, wanted
from ssmi.model.runs import checkpoint as checkpoints
from ssmi.model.runs.files import CHECKPOINT
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import InputDataError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.params import Params
from ssmi.pipeline.contract.progress import Reporter


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a network finds in a split; one item a sentence, in the split's order."""

    spans: Sequence[Sequence[Span]]
    probabilities: Sequence[Sequence[float]] | None
    """Of each span, where they were asked for."""
    ill_formed: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a run makes of a split; gold and predictions have one item a sentence, in the split's order."""

    gold: Sequence[Sequence[Span]]
    predicted: Predicted
    labels: LabelSet
    label_groups: LabelGroups
    """Of the shards: types that are also scored together."""
    params: Params
    """Of the run."""
    best_epoch: int
    """The epoch of its weights; 0 for those of a run stopped in its first."""

    @property
    def scores(self) -> Scores:
        """Precision, recall and F1 with their counts."""
        return score(self.gold, self.predicted.spans, groups=self.label_groups, ill_formed=self.predicted.ill_formed)

    @property
    def calibration(self) -> Calibration:
        """How far the probabilities are to be believed; of a split that was tagged with them."""
        assert self.predicted.probabilities is not None
        sentences = zip(self.gold, self.predicted.spans, self.predicted.probabilities, strict=True)
        return calibrate(guess for sentence in sentences for guess in guesses(*sentence))


def evaluate(*, run: Path, shards: Path, split: str, device: str, reporter: Reporter) -> Scores:
    """Reload a run's checkpoint and score it on a split of any shards of the same labels, vocabulary and encoder.

    Raises StaleArtifactError when they differ, InputDataError when the split is empty.
    """
    return tag_split(run=run, shards=shards, split=split, device=device, reporter=reporter).scores


def why_unfit(*, run: Path, shards: Path) -> str:
    """Why a run cannot be looked at on some shards: there are none, or they are of another kind; empty where it can.

    Raises StaleArtifactError for shards or a checkpoint that are not whole.
    """
    if not (shards / manifests.MANIFEST_NAME).is_file():
        return f"{shards}: no shards"
    opened = open_shards(shards)
    checkpoints.read_metadata(run / CHECKPOINT)
    try:
        checkpoints.check_fit(run / CHECKPOINT, opened)
    except StaleArtifactError as error:
        return error.message
    return ""


def tag_split(
    *, run: Path, shards: Path, split: str, device: str, reporter: Reporter, probabilities: bool = False
) -> Tagged:
    """Reload a run's checkpoint and tag a split, with each entity's probability if asked; raises as ``evaluate``."""
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
    predicted = predict(
        network.to(target),
        data,
        labels=checkpoint.labels,
        precision=params.train.precision,
        reporter=reporter,
        title=split,
        probabilities=probabilities,
    )
    return Tagged(
        data.gold,
        predicted,
        checkpoint.labels,
        opened.statistics.label_groups,
        params,
        checkpoint.facts.best_epoch,
    )


def predict(
    network: Network,
    split: Split,
    *,
    labels: LabelSet,
    precision: str,
    reporter: Reporter,
    title: str,
    probabilities: bool = False,
) -> Predicted:
    """The entities of every sentence, found where the network is; leaves the network in evaluation mode."""
    network.eval()
    device = network.tags.weight.device
    spans: list[list[Span]] = [[] for _ in range(len(split))]
    probable: list[list[float]] = [[] for _ in range(len(split))]
    ill_formed = 0
    with reporter.task(title, total=len(split.token_ids), unit="characters") as advance:
        for rows in evaluation_batches(split.lengths, batch_size=EVALUATION_BATCH):
            batch = collate(split, rows).to(device)
            kinds = [split.kinds_of(row) for row in rows.tolist()]
            decoded = decode(
                network, batch, labels=labels, precision=precision, kinds=kinds, probabilities=probabilities
            )
            for place, row in enumerate(rows.tolist()):
                spans[row] = decoded.spans[place]
                if decoded.probabilities is not None:
                    probable[row] = decoded.probabilities[place]
            ill_formed += decoded.ill_formed
            advance(decoded.n_characters)
    return Predicted(spans, probable if probabilities else None, ill_formed)

"""Tag a split of some shards with a trained network, and score it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.model import hardware
from ssmi.model.data.batches import EVALUATION_BATCH, collate, evaluation_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.folds import PARTS, Fold, read_fold
from ssmi.model.data.shards import Shards, open_shards, read_split
from ssmi.model.data.split import Split
from ssmi.model.evaluation.calibration import Calibration, calibrate, guesses
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.decoding import Decoded, decode
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_encoder, wanted
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint import Checkpoint
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.checkpoint.fit import check_fit
from ssmi.model.runs.files import CHECKPOINT, require_checkpoint
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import InputDataError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter


@dataclass(frozen=True, slots=True)
class Predicted:
    """A network's predictions on a split; one item a sentence, in the split's order."""

    spans: Sequence[Sequence[Span]]
    probabilities: Sequence[Sequence[float]] | None
    """Probability of each span, from 0 to 1; None where they were not wanted."""
    ill_formed: int
    """Pieces of the tag paths that are not an entity."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A run's predictions on a split beside the gold; both have one item a sentence, in the split's order."""

    gold: Sequence[Sequence[Span]]
    predicted: Predicted
    labels: LabelSet
    label_groups: LabelGroups
    """Groups of types that are also scored together, as the shards declare them."""
    params: Params
    """The parameters of the run."""
    best_epoch: int
    """The epoch of its weights; 0 for those of a run stopped in its first."""
    shards: Shards
    """Those that were tagged, as they were then: what else is read of them is held to that."""

    @property
    def scores(self) -> Scores:
        """Precision, recall and F1 with their counts."""
        return score(self.gold, self.predicted.spans, groups=self.label_groups, ill_formed=self.predicted.ill_formed)

    @property
    def calibration(self) -> Calibration:
        """How far the probabilities can be trusted; only of a split that was tagged with them."""
        assert self.predicted.probabilities is not None
        sentences = zip(self.gold, self.predicted.spans, self.predicted.probabilities, strict=True)
        return calibrate(guess for sentence in sentences for guess in guesses(*sentence))


def why_unfit(*, run: Path, shards: Path) -> str:
    """Why a run cannot be scored on some shards.

    Returns:
        The reason: there are no shards, or others than the run's; empty where it can be scored.

    Raises:
        StaleArtifactError: The shards or the checkpoint are not whole, or of another version.

    """
    require_checkpoint(run)
    if not (shards / manifests.MANIFEST_NAME).is_file():
        return f"{shards}: no shards"
    opened = open_shards(shards)
    # For its errors alone: that a checkpoint is damaged is no reason to be told below, it is raised.
    checkpoint_files.read_metadata(run / CHECKPOINT)
    try:
        check_fit(run / CHECKPOINT, opened)
    except StaleArtifactError as error:
        return error.message
    return ""


def tag_split(
    *, run: Path, shards: Path, split: str, device: str, reporter: Reporter, probabilities: bool = False
) -> Tagged:
    """Load a run's checkpoint and tag a split with it.

    Args:
        run: The run folder.
        shards: Any shards of the same labels, vocabulary, encoder and feature parameters.
        split: Its name.
        device: As ``hardware.choose_device`` takes it.
        reporter: Told of progress.
        probabilities: Whether to compute the probability of each predicted entity.

    Returns:
        Gold and predicted entities, with the scores that follow from them.

    Raises:
        MissingResourceError: There is no run, or there are no shards.
        StaleArtifactError: They do not belong together, or are of another version.
        InputDataError: The split is empty.

    """
    require_checkpoint(run)  # first: what an old run needs is not what its old shards need
    opened = open_shards(shards)
    checkpoint = checkpoints.load(run / CHECKPOINT, shards=opened)
    params = checkpoint.params
    data = _read(opened, split, checkpoint)
    target = hardware.choose_device(device)
    hardware.set_threads(params.train.threads)
    predicted = predict(
        checkpoint.network.to(target),
        data,
        labels=checkpoint.labels,
        precision=params.train.precision,
        reporter=reporter,
        title=split,
        probabilities=probabilities,
    )
    groups, best_epoch = opened.statistics.label_groups, checkpoint.metadata.best_epoch
    return Tagged(data.gold, predicted, checkpoint.labels, groups, params, best_epoch, opened)


def fold_of(run: Path, shards: Shards, split: str) -> Fold | None:
    """The fold that a split means to a run (``train.folds``); None where it is the split itself.

    Raises:
        StaleArtifactError: The run is of a fold of other shards, of whose train and dev it has seen an unknown part.

    """
    metadata, params = checkpoint_files.read_metadata(run / CHECKPOINT), checkpoint_files.read_params(run / CHECKPOINT)
    return _fold_of(metadata, params, shards, split)


def _fold_of(metadata: CheckpointMetadata, params: Params, shards: Shards, split: str) -> Fold | None:
    fold = Fold.of(params.train)
    if fold is None or split not in PARTS:
        return None
    if metadata.shards != shards.digest:
        raise StaleArtifactError(
            f"{shards.folder}: the run is of fold {fold.number} of {fold.n_folds} of other shards, so nobody knows "
            f"which sentences of {split} it was trained on",
            next_step="score it on the shards it was trained on, on test, or on a --file",
        )
    return fold


def _read(shards: Shards, split: str, checkpoint: Checkpoint) -> Split:
    """A split as the checkpoint's network reads it; the errors of ``tag_split``."""
    params, boundaries = checkpoint.params, checkpoint.boundaries
    fold = _fold_of(checkpoint.metadata, params, shards, split)
    if fold is None:
        data = read_split(shards, split, boundaries=boundaries, wanted=wanted(params.model))
    else:
        data = read_fold(shards, split, fold, boundaries=boundaries, wanted=wanted(params.model))
    if not len(data):
        raise InputDataError(f"{shards.folder}: no {split} sentences", next_step="choose another split")
    if checkpoint.network.encoder is not None:
        check_encoder(checkpoint.network.encoder, shards, largest_token_id=int(data.token_ids.max(initial=0)))
    return data


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
    """The entities of every sentence of a split.

    Args:
        network: On the device to compute on; it is left in evaluation mode.
        split: What to tag.
        labels: Of the network's tags.
        precision: As ``hardware.autocast`` takes it.
        reporter: Told of the characters that are done.
        title: Of the task that it shows.
        probabilities: Whether each entity's probability is wanted, which takes two more passes of a CRF.

    Returns:
        The entities, in the split's order.

    """
    network.eval()
    spans: list[list[Span]] = [[] for _ in range(len(split))]
    scores: list[list[float]] = [[] for _ in range(len(split))]
    ill_formed = 0
    decoding = _decode(network, split, labels=labels, precision=precision, probabilities=probabilities)
    with reporter.task(title, total=len(split.token_ids), unit="characters") as advance:
        for rows, decoded in decoding:
            # Batches go by length: what was found in a sentence goes back to its place.
            for index, row in enumerate(rows.tolist()):
                spans[row] = decoded.spans[index]
                if decoded.probabilities is not None:
                    scores[row] = decoded.probabilities[index]
            ill_formed += decoded.ill_formed
            advance(decoded.n_characters)
    return Predicted(spans, scores if probabilities else None, ill_formed)


def _decode(
    network: Network, split: Split, *, labels: LabelSet, precision: str, probabilities: bool
) -> Iterator[tuple[Ids, Decoded]]:
    """The sentences of each batch, and what is found in them."""
    device = network.device
    for rows in evaluation_batches(split.lengths, batch_size=EVALUATION_BATCH):
        batch, kinds = collate(split, rows).to(device), [split.kinds_of(row) for row in rows.tolist()]
        yield (
            rows,
            decode(network, batch, labels=labels, precision=precision, kinds=kinds, probabilities=probabilities),
        )

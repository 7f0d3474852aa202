"""Tag a split of shards with a trained network, and score the result."""

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
from ssmi.model.evaluation.calibration import Calibration, calibrate, scored_predictions
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.decoding import Decoded, decode
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_encoder, required_features
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
    """A network's predictions on a split: one item per sentence, in the split's order."""

    spans: Sequence[Sequence[Span]]
    probabilities: Sequence[Sequence[float]] | None
    """Probability of each span, from 0 to 1; None if not requested."""
    ill_formed: int
    """Number of pieces of the tag paths that are not an entity."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Gold and a run's predictions on a split; both have one item per sentence, in the split's order."""

    gold: Sequence[Sequence[Span]]
    predicted: Predicted
    labels: LabelSet
    label_groups: LabelGroups
    """Groups of types that are also scored together, as declared by the shards."""
    params: Params
    """The parameters of the run."""
    best_epoch: int
    """The epoch of the weights; 0 for a run stopped in its first epoch."""
    shards: Shards
    """The tagged shards, as opened then; files read from them later are verified against this manifest."""

    @property
    def scores(self) -> Scores:
        """Precision, recall and F1, with the counts they are computed from."""
        return score(self.gold, self.predicted.spans, groups=self.label_groups, ill_formed=self.predicted.ill_formed)

    @property
    def calibration(self) -> Calibration:
        """The calibration of the probabilities; only for a split tagged with probabilities."""
        assert self.predicted.probabilities is not None
        sentences = zip(self.gold, self.predicted.spans, self.predicted.probabilities, strict=True)
        return calibrate(guess for sentence in sentences for guess in scored_predictions(*sentence))


def why_unfit(*, run: Path, shards: Path) -> str:
    """Return why a run cannot be scored on shards, or an empty string if it can.

    Returns:
        The reason: there are no shards, or they do not fit the run.

    Raises:
        MissingResourceError: The run has no checkpoint, or the shards have no labels.
        StaleArtifactError: The shards or the checkpoint are damaged or of another version.

    """
    require_checkpoint(run)
    if not (shards / manifests.MANIFEST_NAME).is_file():
        return f"{shards}: no shards"
    opened = open_shards(shards)
    # Read only for its errors: a damaged checkpoint is raised, not returned as a reason.
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
        shards: Any shards with the same labels, vocabulary, encoder and feature parameters.
        split: Name of the split.
        device: A device name for ``hardware.choose_device``.
        reporter: Receives progress.
        probabilities: Whether to compute the probability of each predicted entity.

    Returns:
        Gold and predicted entities, from which scores can be computed.

    Raises:
        ParameterError: No device has this name.
        MissingResourceError: The run, the shards or the device does not exist.
        StaleArtifactError: Run and shards do not belong together, or are of another version.
        InputDataError: The split is empty.

    """
    require_checkpoint(run)  # first, because the remedy for an old run is not that for its old shards
    opened = open_shards(shards)
    checkpoint = checkpoints.load(run / CHECKPOINT, shards=opened)
    params = checkpoint.params
    data = _read(opened, split, checkpoint)
    target = hardware.choose_device(device)
    with hardware.locked_threads(params.train.threads or hardware.physical_cores()):
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
    """Return the fold from which a run takes a split (``train.folds``); None if it uses the split as it is.

    Raises:
        StaleArtifactError: The run was trained on a fold of other shards, so it is unknown which sentences it has seen.

    """
    metadata, params = checkpoint_files.read_metadata(run / CHECKPOINT), checkpoint_files.read_params(run / CHECKPOINT)
    return _fold_of(metadata, params, shards, split)


def _fold_of(metadata: CheckpointMetadata, params: Params, shards: Shards, split: str) -> Fold | None:
    fold = Fold.of(params.train)
    if fold is None or split not in PARTS:
        return None
    if metadata.shards != shards.digest:
        raise StaleArtifactError(
            f"{shards.folder}: the run is of fold {fold.number} of {fold.n_folds} of other shards, so it is unknown "
            f"which sentences of {split} it was trained on",
            next_step="score it on the shards it was trained on, on test, or on a --file",
        )
    return fold


def _read(shards: Shards, split: str, checkpoint: Checkpoint) -> Split:
    """Read a split for the checkpoint's network; raises the errors of ``tag_split``."""
    params, boundaries = checkpoint.params, checkpoint.boundaries
    fold = _fold_of(checkpoint.metadata, params, shards, split)
    if fold is None:
        data = read_split(shards, split, boundaries=boundaries, required=required_features(params.model))
    else:
        data = read_fold(shards, split, fold, boundaries=boundaries, required=required_features(params.model))
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
    """Predict the entities of every sentence of a split.

    Args:
        network: The network, on its device; it is left in evaluation mode.
        split: The split to tag.
        labels: The label set of the network.
        precision: A ``train.precision`` setting for ``hardware.autocast``.
        reporter: Receives the number of tagged characters.
        title: Title of the reported task.
        probabilities: Whether to compute each entity's probability, which takes two more passes of a CRF.

    Returns:
        The predictions, in the split's order.

    """
    network.eval()
    spans: list[list[Span]] = [[] for _ in range(len(split))]
    scores: list[list[float]] = [[] for _ in range(len(split))]
    ill_formed = 0
    decoding = _decode(network, split, labels=labels, precision=precision, probabilities=probabilities)
    with reporter.task(title, total=len(split.token_ids), unit="characters") as advance:
        for rows, decoded in decoding:
            # Batches are ordered by length, so results are put back in the place of their sentence.
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
    """Yield the sentences of each batch and their decoded entities."""
    device = network.device
    for rows in evaluation_batches(split.lengths, batch_size=EVALUATION_BATCH):
        batch, kinds = collate(split, rows).to(device), [split.kinds_of(row) for row in rows.tolist()]
        yield (
            rows,
            decode(network, batch, labels=labels, precision=precision, kinds=kinds, probabilities=probabilities),
        )

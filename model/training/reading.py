"""Reading the sentences of a training from shards: the train split, and the splits that are scored."""

from __future__ import annotations

from ssmi.model.data.folds import Fold, read_fold
from ssmi.model.data.shards import Shards, read_split
from ssmi.model.data.split import Split
from ssmi.model.data.training_data import StreamedSplit, TrainingData, WholeSplit
from ssmi.model.network.requirements import required_features
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parameters.params import Params


def read_train(shards: Shards, params: Params) -> TrainingData:
    """Return the train split, in memory or, with ``train.stream``, streamed from disk.

    Raises:
        InputDataError: The split has no sentence or no entity.
    """
    settings, data = params.train, None
    if settings.stream:
        features = required_features(params.model)
        data = StreamedSplit.open(shards, "train", required=features, buffer=settings.stream_buffer)
    train: TrainingData = data or WholeSplit(_read(shards, "train", params))
    if not train.lengths.sum():
        raise InputDataError(f"{shards.folder}: no train sentences", next_step="check the data set's source files")
    if not train.longest_entity:
        raise InputDataError(
            f"{shards.folder}: no train sentence holds an entity, so there is nothing to learn",
            next_step="look at the annotation with ssmi-cli data check",
        )
    return train


def read_scored(shards: Shards, name: str, params: Params) -> Split:
    """Return the split ``dev`` or ``test``; the latter may be empty.

    Raises:
        InputDataError: There is no dev sentence.
    """
    split = _read(shards, name, params)
    if name == "dev" and not split.token_ids.size:
        raise InputDataError(f"{shards.folder}: no dev sentences", next_step=_how_to_get_dev(params))
    return split


def _read(shards: Shards, name: str, params: Params) -> Split:
    """Read a split; in a cross-validation, that side of the fold."""
    fold, features = Fold.of(params.train), required_features(params.model)
    if fold is None:
        return read_split(shards, name, boundaries=shards.boundaries, required=features)
    return read_fold(shards, name, fold, boundaries=shards.boundaries, required=features)


def _how_to_get_dev(params: Params) -> str:
    fraction = params.prepare.dev_fraction
    if fraction > 0:
        return f"give a dev file or more sentences: prepare.dev_fraction={fraction:g} of train gives no sentence"
    return "give a dev file, or cut a dev part off train: build and train with -S prepare.dev_fraction=0.1"

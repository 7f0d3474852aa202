"""Reading the sentences of a training from shards: the train split, and the splits that are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssmi.model.data.folds import Fold, read_sides
from ssmi.model.data.shards import Shards, characters_of, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.model.data.training_data import StreamedSplit, TrainingData, WholeSplit
from ssmi.model.evaluation.sentence_counts import names_of
from ssmi.model.network.requirements import required_features
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Advance


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences that a network is trained and scored on."""

    train: TrainingData
    scored: Mapping[str, Split]
    """``dev``, and ``test`` if it is to be scored; the latter may be empty."""
    names: Mapping[str, Sequence[str]]
    """The names of the sentences of each of these splits, for their counts."""


def scored_splits(params: Params) -> Sequence[str]:
    """Return the splits that a training scores; with folds, which never read test, only dev."""
    return ("dev", "test") if params.train.test else ("dev",)


def read_sentences(shards: Shards, params: Params, advance: Advance) -> Sentences:
    """Read the train split, in memory or, with ``train.stream``, streamed from disk, and the splits that are scored.

    Args:
        shards: The opened shards.
        params: All parameters; with folds, train and dev are the two sides of the fold.
        advance: Called with 1 for train and for each of ``scored_splits``.

    Raises:
        InputDataError: There is no train or no dev sentence, or no train sentence holds an entity.
    """
    fold, required, boundaries = Fold.of(params.train), required_features(params.model), shards.boundaries
    sides = None if fold is None else read_sides(shards, fold, boundaries=boundaries, required=required)
    train = _open_train(shards, params, required) if sides is None else WholeSplit(sides.train)
    _check_train(train, shards)
    advance(1)
    scored, names = {}, {}
    for name in scored_splits(params):
        split = read_split(shards, name, boundaries=boundaries, required=required) if sides is None else sides.dev
        if name == "dev" and not split.token_ids.size:
            raise InputDataError(f"{shards.folder}: no dev sentences", next_step=_how_to_get_dev(params))
        characters = characters_of(shards, name) if sides is None else sides.dev_characters
        scored[name], names[name] = split, names_of(characters, split.gold)
        advance(1)
    return Sentences(train, scored, names)


def _open_train(shards: Shards, params: Params, required: RequiredFeatures) -> TrainingData:
    settings = params.train
    if settings.stream:
        return StreamedSplit.open(shards, "train", required=required, buffer=settings.stream_buffer)
    return WholeSplit(read_split(shards, "train", boundaries=shards.boundaries, required=required))


def _check_train(train: TrainingData, shards: Shards) -> None:
    if not train.lengths.sum():
        raise InputDataError(f"{shards.folder}: no train sentences", next_step="check the data set's source files")
    if not train.longest_entity:
        raise InputDataError(
            f"{shards.folder}: no train sentence holds an entity, so there is nothing to learn",
            next_step="look at the annotation with ssmi-cli data check",
        )


def _how_to_get_dev(params: Params) -> str:
    fraction = params.prepare.dev_fraction
    if fraction > 0:
        return f"give a dev file or more sentences: prepare.dev_fraction={fraction:g} of train gives no sentence"
    return "give a dev file, or cut a dev part off train: build and train with -S prepare.dev_fraction=0.1"

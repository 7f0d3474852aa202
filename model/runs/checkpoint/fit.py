"""Check that a checkpoint fits shards, without reading weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssmi.model.data.shards import Shards
from ssmi.model.network.requirements import check_buildable
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.files import SHARDS
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.text.wording import as_yaml

_FEATURES = ("segment", "embed", "selection", "pmi")
"""Sections of params.yaml that determine a sentence's features, given the vocabulary and the encoder."""


def check_fit(folder: Path, shards: Shards) -> None:
    """Check that a checkpoint's network can read shards, and that their features mean the same as in training.

    Args:
        folder: ``RUN/checkpoint``.
        shards: The training shards or others.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: The checkpoint is damaged, or the shards have different labels, vocabulary, encoder or
            features; the error names every difference.

    """
    metadata, labels = checkpoint_files.read_metadata(folder), checkpoint_files.read_labels(folder)
    _check_match(folder, metadata, labels, shards)
    _check_features(folder, shards)
    check_buildable(checkpoint_files.read_params(folder).model, shards)


def _check_match(folder: Path, metadata: CheckpointMetadata, labels: LabelSet, shards: Shards) -> None:
    """Check that the shards have the same label set, vocabulary and encoder."""
    pairs = {
        "labels": (_describe(labels), _describe(shards.labels)),
        "vocabulary": (short_digest(metadata.vocabulary_digest), short_digest(shards.statistics.vocabulary_digest)),
        "encoder": (short_digest(metadata.encoder_digest), short_digest(shards.statistics.encoder_digest)),
    }
    problems = [
        f"{what} {of_run} in the run, {of_shards} in the shards"
        for what, (of_run, of_shards) in pairs.items()
        if of_run != of_shards
    ]
    if problems:
        raise StaleArtifactError(
            f"{folder} and {shards.folder} do not belong together: {'; '.join(problems)}",
            next_step="build the shards as for training, or train on these",
        )


def _check_features(folder: Path, shards: Shards) -> None:
    """Check that the features of the shards were made with the parameters of training."""
    then, now = map(_feature_parameters, (manifests.load(folder / SHARDS), shards.manifest))
    if then["shards.hidden_layers"] is None or now["shards.hidden_layers"] is None:
        # The states are not read, or check_buildable reports that they are missing.
        then |= {name: now[name] for name in ("shards.hidden_layers", "shards.hidden_norm")}
    problems = [
        f"{name} is {as_yaml(then.get(name))} in the run, {as_yaml(now.get(name))} in the shards"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if problems:
        raise StaleArtifactError(
            f"{folder} was trained on other features than {shards.folder} holds: {'; '.join(problems)}",
            next_step="build the features with the run's parameters, or train on these",
        )


def _feature_parameters(shards: Manifest) -> dict[str, Any]:
    """Return ``section.key`` → value of all parameters that determine a sentence's row, given the sentence."""
    made_with = ShardsStatistics.of(shards)
    sections = made_with.feature_parameters.to_json()
    values = {f"{name}.{key}": value for name in _FEATURES for key, value in sections[name].items()}
    states = {"shards.hidden_layers": made_with.hidden_layers, "shards.hidden_norm": made_with.hidden_norm}
    return {**values, **states}


def _describe(labels: LabelSet) -> str:
    return f"{labels.scheme} {','.join(labels.entity_types)}"

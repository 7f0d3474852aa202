"""A trained network on disk, and the proof that it and some shards belong together.

``files.json`` holds the digest of every other file, and nothing is read that is not as it says.
``model.safetensors`` holds every weight and the ids of the boundary table's rows; ``params.json`` and ``labels.json``
how to assemble it; ``encoder/`` the tuned encoder's configuration and vocabulary; ``shards/`` the manifest of the
shards it was trained on; ``checkpoint.json`` the digests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ssmi.model.data.boundaries import BoundaryTable
from ssmi.model.data.shards import Shards
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_buildable, layers_below
from ssmi.model.runs import json_files, weights
from ssmi.model.runs.files import CHECKPOINT_FORMAT, METADATA, SHARDS, require_checkpoint
from ssmi.model.runs.fingerprint import FingerprintField
from ssmi.model.runs.json_files import JsonBody
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.paths import LABELS_FILE
from ssmi.pipeline.contract.statistics import ShardsStatistics
from ssmi.pipeline.contract.tables import replacing_folder

_WEIGHTS, _PARAMS, _ENCODER = "model.safetensors", "params.json", "encoder"
_FILES = "files.json"
_SHORT = 12
"""Characters of a digest that a message shows."""
_FEATURES = ("segment", "embed", "selection", "pmi")
"""Sections of params.yaml that decide what a sentence's features are, once vocabulary and encoder are the same."""
_BOUNDARY_IDS, _BOUNDARY_VECTORS = "boundary_ids", "boundary.table.weight"


class CheckpointMetadata(JsonBody):
    """``checkpoint.json``: what the network was made from."""

    shards: str
    """sha256 of the training shards' manifest."""
    vocabulary_digest: str
    encoder_digest: str
    n_parameters: int
    best_epoch: int
    """The epoch whose weights these are; 0 for those of a run stopped in its first."""
    fingerprint: FingerprintField
    format: int = CHECKPOINT_FORMAT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with its weights, fit for the shards it was loaded for."""

    network: Network
    params: Params
    labels: LabelSet
    boundaries: BoundaryTable
    """Rows of the network's boundary embedding."""
    metadata: CheckpointMetadata


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A checkpoint without any shards: for text."""

    checkpoint: Checkpoint
    """The checkpoint, with the boundaries of training."""
    shards: Manifest
    """The manifest of the shards that the run was trained on."""


def save(folder: Path, *, network: Network, params: Params, shards: Shards, metadata: CheckpointMetadata) -> None:
    """Write the folder whole or not at all.

    Args:
        folder: ``RUN/checkpoint``; what is there is replaced.
        network: Its weights are saved, and its encoder's configuration.
        params: With numbers where learning rates were ``auto``.
        shards: What it was trained on.
        metadata: What ``read_metadata`` is to give back.

    """
    tensors = dict(network.state_dict())
    if network.boundary is not None:
        tensors[_BOUNDARY_IDS] = torch.from_numpy(shards.boundaries.ids)
    with replacing_folder(folder) as fresh:
        weights.write(tensors, fresh / _WEIGHTS)
        (fresh / _PARAMS).write_text(parameters.dump(params), encoding="utf-8")
        shards.labels.save(fresh / LABELS_FILE)
        (fresh / SHARDS).mkdir()
        copyfile(shards.folder / manifests.MANIFEST_NAME, fresh / SHARDS / manifests.MANIFEST_NAME)
        if network.encoder is not None:
            network.encoder.describe(fresh / _ENCODER)
        json_files.write(fresh / METADATA, metadata, sort_keys=True)
        _write_json(fresh / _FILES, _digests(fresh))


def load(folder: Path, *, shards: Shards) -> Checkpoint:
    """Load for use on shards; boundaries that were not in training take the shards' pre-trained vectors.

    Args:
        folder: ``RUN/checkpoint``.
        shards: Those of training or others of the same labels, vocabulary, encoder and feature parameters.

    Returns:
        The checkpoint; its boundaries are those of training, then those of the shards.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: It is not whole, of another version, or not for these shards; names every difference.

    """
    metadata = read_metadata(folder)
    _check_files(folder)
    labels, params = _read_labels(folder / LABELS_FILE), read_params(folder)
    check_fit(folder, shards)
    tensors = _read_tensors(folder / _WEIGHTS)
    boundaries = shards.boundaries
    if _BOUNDARY_IDS in tensors:
        # The trained boundaries come first, so that their rows stay those that the weights were saved with.
        boundaries = _trained_boundaries(tensors).extended_by(shards.boundaries)
        vectors = torch.from_numpy(boundaries.vectors)
        tensors[_BOUNDARY_VECTORS] = torch.cat((torch.zeros(1, vectors.shape[1]), vectors))
    network = _assemble(
        folder,
        params,
        labels,
        boundaries,
        tensors,
        made_with=shards.statistics,
    )
    return Checkpoint(network, params, labels, boundaries, metadata)


def check_fit(folder: Path, shards: Shards) -> None:
    """Refuse shards that ``load`` would refuse; reads no weights."""
    _check_match(folder, read_metadata(folder), _read_labels(folder / LABELS_FILE), shards)
    _check_features(folder, shards)
    check_buildable(read_params(folder).model, shards)


def load_alone(folder: Path) -> LoadedRun:
    """Load for use on text, without any shards.

    Args:
        folder: ``RUN/checkpoint``.

    Returns:
        The checkpoint, with the boundaries that were in training, and the manifest of its shards.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: It is not whole, or of another version.

    """
    metadata = read_metadata(folder)
    _check_files(folder)
    shards = manifests.load(folder / SHARDS)
    if manifests.digest_file(folder / SHARDS / manifests.MANIFEST_NAME) != metadata.shards:
        raise _broken(folder / SHARDS, ValueError(f"not the manifest {metadata.shards[:_SHORT]} that {METADATA} names"))
    labels, params = _read_labels(folder / LABELS_FILE), read_params(folder)
    tensors = _read_tensors(folder / _WEIGHTS)
    boundaries = BoundaryTable(np.empty(0, np.int64), np.empty((0, 0), np.float32))
    if _BOUNDARY_IDS in tensors:
        boundaries = _trained_boundaries(tensors)
    network = _assemble(folder, params, labels, boundaries, tensors, made_with=ShardsStatistics.of(shards))
    return LoadedRun(Checkpoint(network, params, labels, boundaries, metadata), shards)


def _trained_boundaries(tensors: dict[str, Tensor]) -> BoundaryTable:
    """The boundary table among a checkpoint's tensors, its ids taken from them."""
    return BoundaryTable(tensors.pop(_BOUNDARY_IDS).numpy(), tensors[_BOUNDARY_VECTORS][1:].numpy())


def _assemble(
    folder: Path,
    params: Params,
    labels: LabelSet,
    boundaries: BoundaryTable,
    tensors: dict[str, Tensor],
    *,
    made_with: ShardsStatistics,
) -> Network:
    network = build(
        params.model,
        labels=labels,
        boundaries=boundaries,
        encoder=encoders.blank(folder / _ENCODER, below=layers_below(params.model, made_with))
        if params.model.trains_encoder
        else None,
        hidden_width=made_with.hidden_width,
        n_tokens=made_with.n_tokens,
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise _broken(folder / _WEIGHTS, error) from error
    return network


def restore(folder: Path, network: Network) -> None:
    """Put saved weights back into the very network they were saved from."""
    tensors = _read_tensors(folder / _WEIGHTS)
    tensors.pop(_BOUNDARY_IDS, None)
    network.load_state_dict(tensors)


def _check_match(folder: Path, metadata: CheckpointMetadata, labels: LabelSet, shards: Shards) -> None:
    """Refuse shards of another label set, vocabulary or encoder, naming every difference."""
    pairs = {
        "labels": (_describe(labels), _describe(shards.labels)),
        "vocabulary": (metadata.vocabulary_digest[:_SHORT], shards.statistics.vocabulary_digest[:_SHORT]),
        "encoder": (metadata.encoder_digest[:_SHORT], shards.statistics.encoder_digest[:_SHORT]),
    }
    problems = [f"{what} {here} here, {there} there" for what, (here, there) in pairs.items() if here != there]
    if problems:
        raise StaleArtifactError(
            f"{folder} and {shards.folder} do not belong together: {'; '.join(problems)}",
            next_step="build the shards as for training, or train on these",
        )


def _check_features(folder: Path, shards: Shards) -> None:
    """Refuse shards whose features were made with other parameters: the network was trained on different ones."""
    then, now = (_feature_parameters(manifests.load(path)) for path in (folder / SHARDS, shards.folder))
    if then["shards.hidden_layers"] is None or now["shards.hidden_layers"] is None:
        # nothing of it is read, or check_buildable says so
        then |= {name: now[name] for name in ("shards.hidden_layers", "shards.hidden_norm")}
    problems = [
        f"{name} is {then.get(name)} here, {now.get(name)} there"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if problems:
        raise StaleArtifactError(
            f"{folder} was trained on other features than {shards.folder} holds: {'; '.join(problems)}",
            next_step="build the features with the run's parameters, or train on these",
        )


def _feature_parameters(shards: Manifest) -> dict[str, Any]:
    """``section.key`` → value of all that decides what a sentence's row holds, the split into sentences left out."""
    made_with = ShardsStatistics.of(shards)
    sections = made_with.feature_parameters.to_json()
    values = {f"{name}.{key}": value for name in _FEATURES for key, value in sections[name].items()}
    states = {"shards.hidden_layers": made_with.hidden_layers, "shards.hidden_norm": made_with.hidden_norm}
    return {**values, **states}


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of each file but the one that holds them, by its name below the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / _FILES)
    return {path.relative_to(folder).as_posix(): manifests.digest_file(path) for path in files}


def _check_files(folder: Path) -> None:
    """Raise StaleArtifactError, with both digests, for files that are not those that were saved."""
    saved, present = _read_json(folder / _FILES), _digests(folder)
    problems = [
        f"{folder / name} is {present.get(name, 'missing')[:_SHORT]}, "
        f"{str(saved.get(name, 'no such file'))[:_SHORT]} was saved"
        for name in sorted(saved.keys() | present.keys())
        if saved.get(name) != present.get(name)
    ]
    if problems:
        raise StaleArtifactError(
            f"damaged: {'; '.join(problems)}", next_step="train again, or bring the run over whole"
        )


def _describe(labels: LabelSet) -> str:
    return f"{labels.scheme} {','.join(labels.entity_types)}"


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _broken(path, error) from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise _broken(path, ValueError("weights that are not finite numbers"))
    return tensors


def read_metadata(folder: Path) -> CheckpointMetadata:
    """What a checkpoint was made from.

    Args:
        folder: ``RUN/checkpoint``.

    Raises:
        MissingResourceError: There is none.
        StaleArtifactError: It is damaged, or another version wrote it.

    """
    require_checkpoint(folder.parent)
    path = folder / METADATA
    try:
        return json_files.read(path, CheckpointMetadata)
    except (OSError, ValueError) as error:
        raise _broken(path, error) from error


def digest(folder: Path) -> str:
    """What tells a checkpoint, weights and all, from any other. Raises MissingResourceError without one."""
    require_checkpoint(folder.parent)
    try:
        return manifests.digest_file(folder / _FILES)
    except FileNotFoundError as error:
        raise _broken(folder / _FILES, error) from error


def read_params(folder: Path) -> Params:
    """The parameters of a checkpoint's run, with the errors of ``read_metadata``; ParameterError for unknown keys."""
    require_checkpoint(folder.parent)
    return parameters.check_params(_read_json(folder / _PARAMS), source=str(folder / _PARAMS))


def _read_labels(path: Path) -> LabelSet:
    try:
        return LabelSet.load(path)
    except SsmiError as error:
        raise _broken(path, error) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            raise ValueError("not an object")
    except FileNotFoundError as error:
        require_checkpoint(path.parent.parent)
        raise _broken(path, error) from error
    except ValueError as error:
        raise _broken(path, error) from error
    return body


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _broken(path: Path, error: Exception) -> SsmiError:
    first_line = str(error).strip().partition("\n")[0]
    return StaleArtifactError(f"{path}: damaged ({first_line})", next_step="train again, or bring the run over whole")

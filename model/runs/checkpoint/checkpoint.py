"""A trained network on disk: saved atomically, loaded for shards or for text.

Its files are described in ``checkpoint_files``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ssmi.model.data.boundaries import BoundaryTable
from ssmi.model.data.shards import Shards
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import layers_below
from ssmi.model.runs import json_files, weights
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata, broken
from ssmi.model.runs.checkpoint.fit import check_fit
from ssmi.model.runs.files import METADATA, SHARDS
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.label_files import save_labels
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.project.paths import LABELS_FILE
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.storage.replacing import replacing_folder

_BOUNDARY_IDS, _BOUNDARY_VECTORS = "boundary_ids", "boundary.table.weight"
_WORD_COUNTS, _SPAN_LENGTHS = "lexicon.counts", "span.scorer.lengths.weight"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with its weights, ready for the shards or text that it was loaded for."""

    network: Network
    params: Params
    labels: LabelSet
    boundaries: BoundaryTable
    """The boundaries of the network's boundary embedding."""
    metadata: CheckpointMetadata


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A checkpoint loaded without shards, for use on text."""

    checkpoint: Checkpoint
    """The checkpoint, with the boundaries of its training."""
    shards: Manifest
    """The manifest of the shards that the run was trained on."""


def save(folder: Path, *, network: Network, params: Params, shards: Shards, metadata: CheckpointMetadata) -> None:
    """Write the checkpoint folder atomically.

    Args:
        folder: ``RUN/checkpoint``; an existing checkpoint is replaced.
        network: The network, whose weights and encoder configuration are saved.
        params: The parameters of the run, with ``auto`` resolved.
        shards: The shards that the network was trained on.
        metadata: The metadata, as returned later by ``checkpoint_files.read_metadata``.

    """
    tensors = dict(network.state_dict())
    if network.boundary is not None:
        # Saved with the rows, because other shards have their boundaries in other rows.
        tensors[_BOUNDARY_IDS] = torch.from_numpy(shards.boundaries.ids)
    with replacing_folder(folder) as fresh:
        weights.write(tensors, fresh / checkpoint_files.WEIGHTS)
        (fresh / checkpoint_files.PARAMS).write_text(parameters.dump(params), encoding="utf-8")
        save_labels(shards.labels, fresh / LABELS_FILE)
        (fresh / SHARDS).mkdir()
        (fresh / SHARDS / manifests.MANIFEST_NAME).write_bytes(shards.stored.body)
        if network.encoder is not None:
            network.encoder.describe(fresh / checkpoint_files.ENCODER)
        json_files.write(fresh / METADATA, metadata, sort_keys=True)
        checkpoint_files.write_digests(fresh)


def load(folder: Path, *, shards: Shards) -> Checkpoint:
    """Load a checkpoint for shards; boundaries that were not in training get the shards' pre-trained vectors.

    Args:
        folder: ``RUN/checkpoint``.
        shards: The training shards, or others with the same labels, vocabulary, encoder and feature parameters.

    Returns:
        The checkpoint. Its boundaries are those of training, followed by the other boundaries of the shards.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: The checkpoint is damaged, of another version, or does not fit the shards; the error names
            every difference.

    """
    description = _read_description(folder)
    # Before the weights are read.
    check_fit(folder, shards)
    tensors = checkpoint_files.read_tensors(folder)
    boundaries = shards.boundaries
    if _BOUNDARY_IDS in tensors:
        # The trained boundaries come first, so that they keep the rows that the weights were saved with.
        boundaries = _trained_boundaries(tensors).extended_by(shards.boundaries)
        vectors = torch.from_numpy(boundaries.vectors)
        tensors[_BOUNDARY_VECTORS] = torch.cat((torch.zeros(1, vectors.shape[1]), vectors))
    return _assemble(folder, description, boundaries, tensors, statistics=shards.statistics)


def load_alone(folder: Path) -> LoadedRun:
    """Load a checkpoint for text, without shards.

    Args:
        folder: ``RUN/checkpoint``.

    Returns:
        The checkpoint, with the boundaries of its training, and the manifest of its shards.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: The checkpoint is damaged or of another version.

    """
    description = _read_description(folder)
    shards, named = manifests.load(folder / SHARDS), description.metadata.shards
    if manifests.digest_file(folder / SHARDS / manifests.MANIFEST_NAME) != named:
        problem = f"not the manifest {short_digest(named)} that {METADATA} names"
        raise broken(folder / SHARDS, ValueError(problem))
    tensors = checkpoint_files.read_tensors(folder)
    boundaries = BoundaryTable(np.empty(0, np.int64), np.empty((0, 0), np.float32))
    if _BOUNDARY_IDS in tensors:
        boundaries = _trained_boundaries(tensors)
    checkpoint = _assemble(folder, description, boundaries, tensors, statistics=ShardsStatistics.of(shards))
    return LoadedRun(checkpoint, shards)


@dataclass(frozen=True, slots=True)
class _Description:
    """The parts of a checkpoint that are read before its weights."""

    metadata: CheckpointMetadata
    labels: LabelSet
    params: Params


def _read_description(folder: Path) -> _Description:
    """Verify the files of a checkpoint and read its description."""
    metadata = checkpoint_files.read_metadata(folder)
    checkpoint_files.check_files(folder)
    return _Description(metadata, checkpoint_files.read_labels(folder), checkpoint_files.read_params(folder))


def _trained_boundaries(tensors: dict[str, Tensor]) -> BoundaryTable:
    """Return the boundary table of a checkpoint, removing its ids from the tensors."""
    # Without row 0, "no boundary", which a table does not contain.
    return BoundaryTable(tensors.pop(_BOUNDARY_IDS).numpy(), tensors[_BOUNDARY_VECTORS][1:].numpy())


def _assemble(
    folder: Path,
    description: _Description,
    boundaries: BoundaryTable,
    tensors: dict[str, Tensor],
    *,
    statistics: ShardsStatistics,
) -> Checkpoint:
    """Build the network and load its weights; ``statistics`` are those of the shards that it is loaded for."""
    params, labels = description.params, description.labels
    network = build(
        params.model,
        labels=labels,
        boundaries=boundaries,
        # Without weights, because its trained weights are among the tensors.
        encoder=encoders.build_untrained(
            folder / checkpoint_files.ENCODER, below=layers_below(params.model, statistics)
        )
        if params.model.trains_encoder
        else None,
        hidden_width=statistics.hidden_width,
        n_tokens=statistics.n_tokens,
        # Required here, because load_state_dict only fills buffers of the right size.
        word_counts=tensors.get(_WORD_COUNTS),
        longest_entity=len(tensors[_SPAN_LENGTHS]) if _SPAN_LENGTHS in tensors else None,
    )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise broken(folder / checkpoint_files.WEIGHTS, error) from error
    return Checkpoint(network, params, labels, boundaries, description.metadata)


def restore(folder: Path, network: Network) -> None:
    """Restore saved weights into the network that they were saved from."""
    tensors = checkpoint_files.read_tensors(folder)
    # Not a weight; load_state_dict refuses names that the network does not have.
    tensors.pop(_BOUNDARY_IDS, None)
    network.load_state_dict(tensors)

"""The files of a checkpoint folder, validated on reading.

``files.json`` holds the digest of every other file, against which ``check_files`` verifies them.
``model.safetensors`` holds every weight and the ids of the boundary table's rows; ``params.json`` and ``labels.json``
describe the network; ``encoder/`` holds the tuned encoder's configuration and vocabulary; ``shards/`` the manifest of
the training shards; ``checkpoint.json`` what the network was made from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ssmi.model.runs import json_files
from ssmi.model.runs.files import CHECKPOINT_FORMAT, METADATA, require_checkpoint
from ssmi.model.runs.fingerprint import FingerprintField
from ssmi.model.runs.json_files import JsonBody
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.label_files import load_labels
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.project.paths import LABELS_FILE
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.text.json_text import loads

WEIGHTS, PARAMS, ENCODER = "model.safetensors", "params.json", "encoder"
_DIGESTS = "files.json"


class CheckpointMetadata(JsonBody):
    """The content of ``checkpoint.json``: what the network was made from."""

    shards: str
    """sha256 of the training shards' manifest."""
    vocabulary_digest: str
    encoder_digest: str
    n_parameters: int
    best_epoch: int
    """The epoch of the weights; 0 for a run stopped in its first epoch."""
    fingerprint: FingerprintField
    format: int = CHECKPOINT_FORMAT


def read_metadata(folder: Path) -> CheckpointMetadata:
    """Read what a checkpoint was made from.

    Args:
        folder: ``RUN/checkpoint``.

    Raises:
        MissingResourceError: There is no checkpoint.
        StaleArtifactError: The file is damaged, or another version wrote the checkpoint.

    """
    # First, because the keys of another format would be reported as damage.
    require_checkpoint(folder.parent)
    path = folder / METADATA
    try:
        return json_files.read(path, CheckpointMetadata)
    except (OSError, ValueError) as error:
        raise broken(path, error) from error


def read_params(folder: Path) -> Params:
    """Read the parameters of a run; raises the errors of ``read_metadata``, and ParameterError for unknown keys."""
    require_checkpoint(folder.parent)
    return parameters.check_params(_read_json(folder / PARAMS), source=str(folder / PARAMS))


def digest(folder: Path) -> str:
    """Return a digest that identifies a checkpoint, including its weights. Raises MissingResourceError without one."""
    require_checkpoint(folder.parent)
    try:
        return manifests.digest_file(folder / _DIGESTS)
    except OSError as error:
        raise broken(folder / _DIGESTS, error) from error


def read_labels(folder: Path) -> LabelSet:
    """Read the label set of a checkpoint's network. Raises StaleArtifactError if the file is damaged."""
    path = folder / LABELS_FILE
    try:
        return load_labels(path)
    except SsmiError as error:
        raise broken(path, error) from error


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read every weight by name. Raises StaleArtifactError if the file is damaged or a weight is not finite."""
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise broken(path, error) from error
    # A network with such a weight raises no error but tags everything alike.
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise broken(path, ValueError("weights that are not finite numbers"))
    return tensors


def write_digests(folder: Path) -> None:
    """Write the list of all files with their digests; must be the last file written."""
    body = json.dumps(_digests(folder), indent=1, sort_keys=True)
    (folder / _DIGESTS).write_text(body + "\n", encoding="utf-8")


def check_files(folder: Path) -> None:
    """Verify all files against their saved digests; StaleArtifactError names both digests of files that differ."""
    saved, present = _read_json(folder / _DIGESTS), _digests(folder)
    problems = [
        f"{folder / name} is {short_digest(present.get(name, 'missing'))}, "
        f"{short_digest(str(saved.get(name, 'no such file')))} was saved"
        for name in sorted(saved.keys() | present.keys())
        if saved.get(name) != present.get(name)
    ]
    if problems:
        raise StaleArtifactError(
            f"damaged: {'; '.join(problems)}", next_step="train again, or copy the complete run folder again"
        )


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file except the list itself, by path relative to the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / _DIGESTS)
    return {path.relative_to(folder).as_posix(): manifests.digest_file(path) for path in files}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = loads(plain_files.read_text(path))
        if not isinstance(body, dict):
            raise ValueError("not an object")
    except FileNotFoundError as error:
        # A missing checkpoint is reported as missing; a single missing file is damage.
        require_checkpoint(path.parent.parent)
        raise broken(path, error) from error
    except (OSError, ValueError) as error:
        raise broken(path, error) from error
    return body


def broken(path: Path, error: Exception) -> SsmiError:
    """Return the error for a damaged file, with the first line of the reason."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first_line = reason.strip().partition("\n")[0]
    return StaleArtifactError(
        f"{path}: damaged ({first_line})", next_step="train again, or copy the complete run folder again"
    )

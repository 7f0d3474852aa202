"""The file that stores the map from BERT's space to the vocabulary's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.storage import checked_files
from ssmi.pipeline.features.alignment import LinearMap

ALIGNMENT_FILE = "alignment.safetensors"
"""Written with ``embed.space: aligned``, for segments that first occur online."""

_ARRAYS = ("weights", "mean", "scale", "offset")


def save_alignment(alignment: LinearMap, path: Path) -> None:
    """Write the map's four arrays as safetensors; equal maps produce equal bytes."""
    path.write_bytes(save({name: np.ascontiguousarray(getattr(alignment, name)) for name in _ARRAYS}))


def open_alignment(path: Path) -> LinearMap:
    """Read a map written by ``save_alignment``.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, or does not hold the arrays of a map.
    """
    content = checked_files.read(path)
    try:
        alignment = LinearMap(**load(content))
        width, mapped = alignment.weights.shape
        if [each.shape for each in (alignment.mean, alignment.scale, alignment.offset)] != [
            (width,),
            (width,),
            (mapped,),
        ]:
            raise ValueError("arrays that do not fit each other")
        return alignment
    except (SafetensorError, TypeError, ValueError) as error:
        raise StaleArtifactError(
            f"{path}: not a map between BERT's space and the vocabulary's ({error})",
            next_step="build the features again with this version",
        ) from error

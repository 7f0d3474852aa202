"""numpy arrays on disk: mapped from a stage's folder once they are checked, or with a digest of their own."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.storage import checked_files, replacing

_DIGEST_BYTES = hashlib.sha256().digest_size


def map_array(path: Path, *, held_to: Manifest | None = None, writeable: bool = False) -> npt.NDArray[Any]:
    """Map a ``.npy`` file of a stage's folder into memory, after reading it through once.

    Args:
        path: The file.
        held_to: As ``checked_files.read`` takes it.
        writeable: Whether it may be written to, in memory alone; torch wants that of an array that it only reads.

    Returns:
        The array. A plain one: every view of numpy's memmap class costs a Python call.

    Raises:
        MissingResourceError: The file is not there.
        StaleArtifactError: It changed since it was written, or holds no array.
    """
    checked_files.check(path, held_to=held_to)
    try:
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, *_ = np.lib.format.read_array_header_1_0(stream)
        # An array without values cannot be mapped.
        mode: Literal["c", "r"] | None = ("c" if writeable else "r") if math.prod(shape) else None
        return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
    # The header is a Python literal: numpy reads it with tokenize.
    except (OSError, ValueError, EOFError, TokenError) as error:
        raise StaleArtifactError(f"{path}: no array ({error})", next_step=checked_files.hint_for(path)) from error


def save_sealed(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array behind the digest of its bytes, whole or not at all."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    with replacing.writing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(stream.getbuffer()).digest() + stream.getbuffer())


def load_sealed(path: Path) -> npt.NDArray[Any] | None:
    """What ``save_sealed`` wrote; None where the file is not there, or not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    array: npt.NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
    return array

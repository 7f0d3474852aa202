"""numpy arrays on disk, mapped into memory after they are verified."""

from __future__ import annotations

import math
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.storage import checked_files


def map_array(path: Path, *, manifest: Manifest | None = None, writeable: bool = False) -> npt.NDArray[Any]:
    """Map a ``.npy`` file of a stage's folder into memory, after reading it through once.

    Args:
        path: The file.
        manifest: Manifest to verify the file against; see ``checked_files.read``.
        writeable: Whether the array may be written to, in memory only; torch requires it even of arrays that it only
            reads.

    Returns:
        The array, as a plain ndarray: every view of numpy's memmap class costs a Python call.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, or contains no array.
    """
    checked_files.check(path, manifest=manifest)
    try:
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, *_ = np.lib.format.read_array_header_1_0(stream)
        # An empty array cannot be mapped.
        mode: Literal["c", "r"] | None = ("c" if writeable else "r") if math.prod(shape) else None
        return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
    # The header is a Python literal, so numpy also raises the errors of Python's parser.
    except (
        OSError,
        ValueError,
        EOFError,
        TokenError,
        SyntaxError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise StaleArtifactError(f"{path}: no array ({error})", next_step=checked_files.hint_for(path)) from error

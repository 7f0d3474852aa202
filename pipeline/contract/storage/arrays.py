"""numpy arrays on disk: mapped into memory once they are checked."""

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
    # The header is a Python literal, which numpy has Python's own reader read.
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

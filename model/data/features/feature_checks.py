"""What every check of stored features says to do, and the check that windows cover their sentence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import Ids
from ssmi.pipeline.contract.errors import StaleArtifactError

REBUILD = "build the shards again"


def check_windows(offsets: Ids, window_offsets: Ids, starts: npt.NDArray[np.int32], *, limit: int, source: str) -> None:
    """Check that windows cover their sentence: starts ascend from 0, and no window exceeds ``limit`` characters.

    Args:
        offsets: Where each sentence's characters begin. Shape: (n_sentences + 1,)
        window_offsets: Where each sentence's windows begin in ``starts``. Shape: (n_sentences + 1,)
        starts: Each window's first character, counted within its sentence. Shape: (n_windows,)
        limit: Characters of the longest allowed window.
        source: Name of the split in errors.

    Raises:
        StaleArtifactError: Windows do not cover their sentence.

    """
    if len(offsets) == 1:
        return
    counts = np.diff(window_offsets)
    tiled = bool((counts > 0).all())
    if tiled:
        ends = np.append(starts[1:], 0)
        ends[window_offsets[1:] - 1] = np.diff(offsets)
        sizes = ends - starts
        # An empty sentence has one window without characters.
        filled = np.repeat(np.diff(offsets) > 0, counts)
        tiled = bool(
            (starts[window_offsets[:-1]] == 0).all() and (sizes[filled] > 0).all() and sizes.max(initial=0) <= limit
        )
    if not tiled:
        raise StaleArtifactError(f"{source}: windows that do not tile their sentence", next_step=REBUILD)

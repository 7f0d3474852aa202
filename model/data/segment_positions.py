"""Segments and windows tile their sentence: where each character stands in its segment, and windows that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import Ids, Rows
from ssmi.pipeline.contract.errors import StaleArtifactError

SEGMENT_POSITIONS = ("padding", "first", "inner", "last", "alone")
"""Where a character may stand in its segment; the first is no character's."""
REBUILD = "build the shards again"


def places(offsets: Ids, start_offsets: Ids, starts: Any, *, source: str) -> Rows:
    """Where each character stands in its segment, as an index of ``SEGMENT_POSITIONS``.

    offsets: where each sentence's characters begin. Shape: (n_sentences + 1,)
    start_offsets: likewise, of its segments. starts: each segment's first character, counted within the sentence.
        Shape: (n_segments,)
    Returns shape: (n_characters,). Raises StaleArtifactError, naming ``source``, for segments that leave a gap.
    """
    filled = offsets[:-1][np.diff(offsets) > 0]
    begins = np.zeros(offsets[-1], dtype=bool)
    owners = np.repeat(offsets[:-1], np.diff(start_offsets))
    try:
        begins[owners + np.asarray(starts, dtype=np.int64)] = True
    except IndexError:
        begins[:] = False
    if not begins[filled].all():
        raise StaleArtifactError(f"{source}: segments that do not tile their sentence", next_step=REBUILD)
    ends = np.append(begins[1:], True)[: len(begins)]
    return np.select([begins & ends, begins, ends], [4, 1, 3], default=2).astype(np.int32)


def check_windows(offsets: Ids, window_offsets: Ids, starts: npt.NDArray[np.int32], *, limit: int, source: str) -> None:
    """Windows must tile their sentence: from 0 on, rising, none longer than ``limit``.

    Shapes as of ``places``. Raises StaleArtifactError, naming ``source``.
    """
    if len(offsets) == 1:
        return
    counts = np.diff(window_offsets)
    tiled = bool((counts > 0).all())
    if tiled:
        ends = np.append(starts[1:], 0)
        ends[window_offsets[1:] - 1] = np.diff(offsets)
        sizes = ends - starts
        filled = np.repeat(np.diff(offsets) > 0, counts)
        tiled = bool(
            (starts[window_offsets[:-1]] == 0).all() and (sizes[filled] > 0).all() and sizes.max(initial=0) <= limit
        )
    if not tiled:
        raise StaleArtifactError(f"{source}: windows that do not tile their sentence", next_step=REBUILD)

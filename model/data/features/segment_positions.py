"""The position of each character in its segment, and checks that segments and windows cover their sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import Ids, Rows
from ssmi.pipeline.contract.errors import StaleArtifactError

SEGMENT_POSITIONS = ("padding", "first", "inner", "last", "alone")
"""Positions of a character in its segment, and one for padding."""
REBUILD = "build the shards again"


def segment_positions(offsets: Ids, start_offsets: Ids, starts: Any, *, source: str) -> Rows:
    """Return the position of each character in its segment.

    Args:
        offsets: Where each sentence's characters begin. Shape: (n_sentences + 1,)
        start_offsets: Where each sentence's segments begin in ``starts``. Shape: (n_sentences + 1,)
        starts: Each segment's first character, counted within its sentence. Shape: (n_segments,)
        source: Name of the split in errors.

    Returns:
        An index of ``SEGMENT_POSITIONS`` for each character. Shape: (n_characters,)

    Raises:
        StaleArtifactError: A sentence does not begin with a segment.

    """
    first_of_sentence = offsets[:-1][np.diff(offsets) > 0]
    begins = np.zeros(offsets[-1], dtype=bool)
    sentence_starts = np.repeat(offsets[:-1], np.diff(start_offsets))
    try:
        begins[sentence_starts + np.asarray(starts, dtype=np.int64)] = True
    except IndexError:  # a start after the last character: refused below like any other misfit
        begins[:] = False
    if not begins[first_of_sentence].all():
        raise StaleArtifactError(f"{source}: segments that do not tile their sentence", next_step=REBUILD)
    # A segment ends where the next one begins, in this sentence or in the next.
    ends = np.append(begins[1:], True)[: len(begins)]
    return np.select([begins & ends, begins, ends], [4, 1, 3], default=2).astype(np.int32)


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

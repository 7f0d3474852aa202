"""The position of each character in its segment."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssmi.model.data.boundaries import Ids, Rows
from ssmi.model.data.features.feature_checks import REBUILD
from ssmi.pipeline.contract.errors import StaleArtifactError

SEGMENT_POSITIONS = ("padding", "first", "inner", "last", "alone")
"""Positions of a character in its segment, and one for padding."""


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

"""Sequences of different lengths, end to end in one flat array: where each begins, and the indices of some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def offsets_of(lengths: Sequence[int] | npt.NDArray[np.integer]) -> Ints:
    """Return the starts of concatenated stretches of the given lengths, then their total length. Shape: (n + 1,)."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def indices_of(starts: npt.NDArray[np.integer], lengths: npt.NDArray[np.integer]) -> Ints:
    """Return the concatenated indices of stretches given by start and length. Shape: (sum of ``lengths``,)."""
    offsets = offsets_of(lengths)
    return np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)

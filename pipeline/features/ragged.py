"""Rows of different widths, concatenated in one array: find the lowest values of each without sorting whole rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.features.columns import Ints

FloatArray = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Some values of rows, sorted by row and, within a row, by value.

    Attributes:
        indices: Index of each value in the array of all rows. Shape: (values,)
        rows: Row of each value. Shape: (values,)
        ranks: Rank of each value within its row, from 0. Shape: (values,)
    """

    indices: Ints
    rows: Ints
    ranks: Ints


@dataclass(frozen=True, slots=True)
class Ragged:
    """Concatenated rows of different widths.

    Attributes:
        values: The values of all rows. Shape: (sum of ``widths``,)
        starts: Index in ``values`` at which each row starts. Shape: (rows,)
        widths: Number of values of each row. Shape: (rows,)
    """

    values: FloatArray
    starts: Ints
    widths: Ints

    @classmethod
    def of(cls, values: FloatArray, widths: Ints) -> Ragged:
        """Build rows of the given widths, each at least 1."""
        return cls(values, offsets_of(widths)[:-1], widths)

    def highest(self) -> FloatArray:
        """Return the largest value of each row. Shape: (rows,)."""
        highest: FloatArray = np.maximum.reduceat(self.values, self.starts)
        return highest

    def limits(self, n: int) -> FloatArray:
        """Return an upper bound of the ``n`` lowest values of each row, which few other values do not exceed.

        A row is cut into 2 ``n`` pieces. The ``n``-th smallest of the pieces' minima is the bound, as ``n`` of the
        minima do not exceed it. The bound is infinite for a row of fewer than 2 ``n`` values.
        """
        n_pieces = 2 * n
        starts = self.starts[:, None] + self.widths[:, None] * np.arange(n_pieces) // n_pieces
        lowest = np.minimum.reduceat(self.values, starts.ravel()).reshape(-1, n_pieces)
        lowest.sort(axis=1)
        limits: FloatArray = np.where(self.widths < n_pieces, np.float32(np.inf), lowest[:, n - 1])
        return limits

    def at_most(self, limits: FloatArray) -> Flags:
        """Flag the values that do not exceed the limit of their row. Shape: that of ``values``."""
        flags: Flags = self.values <= np.repeat(limits, self.widths)
        return flags

    def ranked(self, indices: Ints, *, descending: bool = False) -> Ranked:
        """Rank the values at ascending ``indices``, lowest (or highest) first within each row, ties by index."""
        ends = np.searchsorted(indices, self.starts)
        lengths = np.diff(ends, append=len(indices))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        # Complex numbers sort by their real parts, then by their imaginary parts.
        order = (rows + (-1j if descending else 1j) * self.values[indices]).argsort(kind="stable")
        return Ranked(indices[order], rows, np.arange(len(indices)) - ends[rows])

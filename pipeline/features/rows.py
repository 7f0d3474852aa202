"""Rows of different widths, one after the other in one array: what is lowest in each, without a sort of whole rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.features.columns import Ints, offsets_of

FloatArray = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Some values of rows, sorted by row and within it. Shapes: (values,).

    ``places``: in the array of all rows; ``rows``: the row of each; ``ranks``: from 0, within its row.
    """

    places: Ints
    rows: Ints
    ranks: Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """``values`` of all rows, shape (sum of ``widths``,); where each row starts and how wide it is, shape (rows,)."""

    values: FloatArray
    starts: Ints
    widths: Ints

    @classmethod
    def of(cls, values: FloatArray, widths: Ints) -> Rows:
        """Rows of these widths, each at least 1."""
        return cls(values, offsets_of(widths)[:-1], widths)

    def highest(self) -> FloatArray:
        """The largest value of each row."""
        highest: FloatArray = np.maximum.reduceat(self.values, self.starts)
        return highest

    def limits(self, n: int) -> FloatArray:
        """For each row a number that ``n`` or more of its values do not exceed, and few more than that.

        A row is cut into twice as many pieces. Of ``n`` pieces the lowest values do not exceed the ``n``-th of all
        pieces' lowest. Infinite for a row that is too short to be cut.
        """
        n_pieces = 2 * n
        starts = self.starts[:, None] + self.widths[:, None] * np.arange(n_pieces) // n_pieces
        lowest = np.minimum.reduceat(self.values, starts.ravel()).reshape(-1, n_pieces)
        lowest.sort(axis=1)
        limits: FloatArray = np.where(self.widths < n_pieces, np.float32(np.inf), lowest[:, n - 1])
        return limits

    def at_most(self, limits: FloatArray) -> Flags:
        """Which values do not exceed the limit of their row. Shape: that of ``values``."""
        flags: Flags = self.values <= np.repeat(limits, self.widths)
        return flags

    def ranked(self, places: Ints, *, descending: bool = False) -> Ranked:
        """The values at ascending ``places``, lowest (or highest) first within each row; equal ones by place."""
        ends = np.searchsorted(places, self.starts)
        lengths = np.diff(ends, append=len(places))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        # Complex numbers are sorted by their real parts, then by the imaginary ones.
        order = (rows + (-1j if descending else 1j) * self.values[places]).argsort(kind="stable")
        return Ranked(places[order], rows, np.arange(len(places)) - ends[rows])

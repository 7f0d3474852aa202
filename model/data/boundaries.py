"""The pre-trained vectors of the boundaries that a shard folder names, and their places in the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
FloatMatrix = npt.NDArray[np.float32]

NO_BOUNDARY = 0
"""Both the boundary id and the embedding row that stand for "no boundary"."""


@dataclass(frozen=True)
class BoundaryTable:
    """Boundary ids (global, of the vocabulary) with their vectors; ``ids[r]`` owns row ``r + 1`` of the embedding.

    ids: unique. Shape: (n_boundaries,)
    vectors: as pre-trained. Shape: (n_boundaries, boundary_width)
    """

    ids: Ids
    vectors: FloatMatrix

    @cached_property
    def places(self) -> Rows:
        """The embedding row of each boundary id, -1 for those it lacks; 0 for id 0. Shape: (largest id + 1,)."""
        places = np.full(int(self.ids.max(initial=0)) + 1, -1, dtype=np.int32)
        places[NO_BOUNDARY] = 0
        places[self.ids] = np.arange(1, len(self.ids) + 1)
        return places

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """Embedding rows of boundary ids; row 0 for id 0. Shape as ``ids``.

        Raises StaleArtifactError, naming ``source``, for an id that the table lacks.
        """
        return _rows_of(self.places, ids, source=source)

    def lacks(self, ids: Ids) -> Ids:
        """Those of ``ids`` that it does not hold."""
        return ids[_find(self.places, ids) <= 0]

    def extended_by(self, other: BoundaryTable) -> BoundaryTable:
        """The same rows, then those boundaries of ``other`` that it lacks, with ``other``'s vectors."""
        new = _find(self.places, other.ids) <= 0
        return BoundaryTable(
            np.concatenate((self.ids, other.ids[new])), np.concatenate((self.vectors, other.vectors[new]))
        )


class ExpandableIndex:
    """Rows for the boundaries that text brings: those of a table, then strangers in the order in which they come.

    What a call costs depends on what it asks for, not on how large the table is.
    """

    def __init__(self, table: BoundaryTable) -> None:
        self._places = table.places.copy()
        self._n_rows = self._first = len(table.ids) + 1
        self._strangers: list[Ids] = []

    @property
    def n_strangers(self) -> int:
        """How many were admitted."""
        return self._n_rows - self._first

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """As of ``BoundaryTable``."""
        return _rows_of(self._places, ids, source=source)

    def lacks(self, ids: Ids) -> Ids:
        """Those of ``ids`` that it does not hold."""
        return ids[_find(self._places, ids) <= 0]

    def admit(self, ids: Ids) -> int:
        """Give ids that it lacks, unique and above 0, the next rows; returns the first of them."""
        largest = int(ids.max(initial=0))
        if largest >= len(self._places):
            more = max(largest + 1, 2 * len(self._places)) - len(self._places)
            self._places = np.concatenate((self._places, np.full(more, -1, dtype=np.int32)))
        start = self._n_rows
        self._n_rows += len(ids)
        self._places[ids] = np.arange(start, self._n_rows)
        self._strangers.append(ids)
        return start

    def forget(self) -> None:
        """Lack all strangers again."""
        for ids in self._strangers:
            self._places[ids] = -1
        self._strangers = []
        self._n_rows = self._first


class Rowed(Protocol):
    """Whatever gives boundaries their embedding rows."""

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """As of ``BoundaryTable``."""
        ...


def _find(places: Rows, ids: npt.NDArray[np.integer]) -> Rows:
    """The rows of ids, -1 for those that have none."""
    inside = (ids >= 0) & (ids < len(places))
    return np.where(inside, places[np.where(inside, ids, NO_BOUNDARY)], np.int32(-1))


def _rows_of(places: Rows, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
    found = _find(places, ids)
    strangers = ids[found < 0]
    if strangers.size:
        raise StaleArtifactError(
            f"{source}: names boundary {strangers[0]}, which boundaries.parquet lacks",
            next_step="build the shards again",
        )
    return found


def read_table(path: Path) -> BoundaryTable:
    """Read ``boundaries.parquet`` in ascending order of ids."""
    table = tables.read_table(path, schema.boundaries(_width(path)), columns=["boundary_id", "vector"])
    ids = table["boundary_id"].combine_chunks().to_numpy().astype(np.int64)
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(ids), -1 if len(ids) else _width(path))
    order = np.argsort(ids)
    if len(ids) and (ids[order[0]] <= NO_BOUNDARY or (np.diff(ids[order]) == 0).any()):
        raise StaleArtifactError(f"{path}: ids must be unique and above 0", next_step="build the shards again")
    return BoundaryTable(ids[order], vectors[order])


def _width(path: Path) -> int:
    try:
        kind = pq.read_schema(path).field("vector").type
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: not there", next_step="build the features first") from error
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise StaleArtifactError(
            f"{path}: not a boundary table ({error})", next_step="build the shards again"
        ) from error
    if not pa.types.is_fixed_size_list(kind):
        raise StaleArtifactError(f"{path}: vectors of no fixed width", next_step="build the shards again")
    width: int = kind.list_size
    return width

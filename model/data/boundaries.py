"""The boundaries that a shard folder names: their pre-trained vectors and their rows in the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parquet import schema, tables

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
FloatMatrix = npt.NDArray[np.float32]

NO_BOUNDARY = 0
"""Both the boundary id and the embedding row that stand for "no boundary"."""


@dataclass(frozen=True)
class BoundaryTable:
    """Boundary ids, which index the whole vocabulary, with their vectors.

    A shard folder names a small part of the vocabulary, and the network holds vectors for that part only. ``ids[r]``
    has row ``r + 1`` of the network's embedding, because row 0 stands for "no boundary".

    Attributes:
        ids: Unique boundary ids above 0. Shape: (n_boundaries,)
        vectors: Their vectors. Shape: (n_boundaries, boundary_width)

    """

    ids: Ids
    vectors: FloatMatrix

    @cached_property
    def row_of_id(self) -> Rows:
        """The embedding row of each boundary id: 0 for id 0, -1 for missing ids. Shape: (largest id + 1,)."""
        row_of_id = np.full(int(self.ids.max(initial=0)) + 1, -1, dtype=np.int32)
        row_of_id[NO_BOUNDARY] = 0
        row_of_id[self.ids] = np.arange(1, len(self.ids) + 1)
        return row_of_id

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """Return the embedding rows of boundary ids; row 0 for id 0. Shape as ``ids``.

        Args:
            ids: Boundary ids, 0 for none.
            source: Origin of the ids, named in errors.

        Raises:
            StaleArtifactError: The table lacks an id.

        """
        return _rows_of(self.row_of_id, ids, source=source)

    def missing(self, ids: Ids) -> Ids:
        """Return the ids of ``ids`` that have no row."""
        return ids[_find(self.row_of_id, ids) <= 0]

    def extended_by(self, other: BoundaryTable) -> BoundaryTable:
        """Return a table with these rows followed by the boundaries of ``other`` that are not in this table."""
        new = _find(self.row_of_id, other.ids) <= 0
        return BoundaryTable(
            np.concatenate((self.ids, other.ids[new])), np.concatenate((self.vectors, other.vectors[new]))
        )


class ExpandableIndex:
    """Embedding rows of the boundaries of text: the rows of a table, then new rows in order of addition.

    The cost of a call depends on the number of ids passed, not on the size of the table.
    """

    def __init__(self, table: BoundaryTable) -> None:
        # A copy, because this array grows and changes while the table keeps its own.
        self._row_of_id = table.row_of_id.copy()
        self._n_rows = self._first = len(table.ids) + 1
        self._new_ids: list[Ids] = []

    @property
    def n_new(self) -> int:
        """The number of boundaries added to those of the table."""
        return self._n_rows - self._first

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """See ``BoundaryTable.rows_of``."""
        return _rows_of(self._row_of_id, ids, source=source)

    def missing(self, ids: Ids) -> Ids:
        """Return the ids of ``ids`` that have no row."""
        return ids[_find(self._row_of_id, ids) <= 0]

    def add(self, ids: Ids) -> int:
        """Assign the next rows to new ids, unique and above 0, and return the first of these rows."""
        largest = int(ids.max(initial=0))
        if largest >= len(self._row_of_id):
            # At least doubled, so that ids that grow from call to call do not copy the whole array each time.
            more = max(largest + 1, 2 * len(self._row_of_id)) - len(self._row_of_id)
            self._row_of_id = np.concatenate((self._row_of_id, np.full(more, -1, dtype=np.int32)))
        start = self._n_rows
        self._n_rows += len(ids)
        self._row_of_id[ids] = np.arange(start, self._n_rows)
        self._new_ids.append(ids)
        return start

    def reset(self) -> None:
        """Remove all added boundaries; their rows will be assigned again."""
        # Only the added ids: clearing all rows would take time proportional to the size of the table.
        for ids in self._new_ids:
            self._row_of_id[ids] = -1
        self._new_ids = []
        self._n_rows = self._first


class RowLookup(Protocol):
    """A mapping from boundary ids to embedding rows: a ``BoundaryTable`` or an ``ExpandableIndex``."""

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """See ``BoundaryTable.rows_of``."""
        ...


def _find(row_of_id: Rows, ids: npt.NDArray[np.integer]) -> Rows:
    """Return the rows of ids, -1 for ids without a row."""
    inside = (ids >= 0) & (ids < len(row_of_id))
    # The inner `where` keeps every index valid, because the outer one evaluates both sides.
    return np.where(inside, row_of_id[np.where(inside, ids, NO_BOUNDARY)], np.int32(-1))


def _rows_of(row_of_id: Rows, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
    rows = _find(row_of_id, ids)
    unknown = ids[rows < 0]
    if unknown.size:
        raise StaleArtifactError(
            f"{source}: names boundary {unknown[0]}, which boundaries.parquet lacks",
            next_step="build the shards again",
        )
    return rows


def read_table(path: Path, *, manifest: Manifest | None = None) -> BoundaryTable:
    """Read ``boundaries.parquet`` in ascending order of ids; for ``manifest`` see ``tables.read_table``."""
    table, width = _read(path, "vector", manifest=manifest)
    ids = table["boundary_id"].combine_chunks().to_numpy().astype(np.int64)
    # Without vectors numpy cannot infer the width from -1, so it comes from the column's type.
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(ids), -1 if len(ids) else width)
    order = np.argsort(ids)
    if len(ids) and (ids[order[0]] <= NO_BOUNDARY or (np.diff(ids[order]) == 0).any()):
        raise StaleArtifactError(f"{path}: ids must be unique and above 0", next_step="build the shards again")
    return BoundaryTable(ids[order], vectors[order])


def read_words(path: Path, *, manifest: Manifest | None = None) -> dict[int, str]:
    """Read the word of each boundary id in ``boundaries.parquet``; for ``manifest`` see ``tables.read_table``."""
    table, _ = _read(path, "word", manifest=manifest)
    return dict(zip(table["boundary_id"].to_pylist(), table["word"].to_pylist(), strict=True))


def _read(path: Path, column: str, *, manifest: Manifest | None) -> tuple[pa.Table, int]:
    """Read the ids and one more column, and the width of the vectors, which only the file's schema states."""
    with tables.open_table(path, manifest=manifest) as file:
        stored = file.schema_arrow
        kind = stored.field("vector").type if "vector" in stored.names else None
        if kind is None or not pa.types.is_fixed_size_list(kind):
            raise StaleArtifactError(f"{path}: its vectors have no fixed width", next_step="build the shards again")
        tables.check_columns(path, stored, schema.boundaries(kind.list_size))
        names = ["boundary_id", column]
        return file.read(columns=names).select(names), kind.list_size

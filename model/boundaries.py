"""The pre-trained vectors of the boundaries that a shard folder names, and their places in the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import schema, tables
from pipeline.contract.errors import MissingResourceError, StaleArtifactError

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]
FloatMatrix = npt.NDArray[np.float32]

NO_BOUNDARY = 0
"""Both the boundary id and the embedding row that stand for "no boundary"."""


@dataclass(frozen=True, slots=True)
class BoundaryTable:
    """Boundary ids (global, of the vocabulary) with their vectors; ``ids[r]`` owns row ``r + 1`` of the embedding.

    ids: unique. Shape: (n_boundaries,)
    vectors: as pre-trained. Shape: (n_boundaries, boundary_width)
    """

    ids: Ids
    vectors: FloatMatrix

    def rows_of(self, ids: npt.NDArray[np.integer], *, source: str) -> Rows:
        """Embedding rows of boundary ids; row 0 for id 0. Shape as ``ids``.

        Raises StaleArtifactError, naming ``source``, for an id that the table lacks.
        """
        rows = np.full(int(self.ids.max(initial=0)) + 1, -1, dtype=np.int32)
        rows[NO_BOUNDARY] = 0
        rows[self.ids] = np.arange(1, len(self.ids) + 1)
        inside = (ids >= 0) & (ids < len(rows))
        found: Rows = rows[np.where(inside, ids, NO_BOUNDARY)]
        strangers = ids[~inside | (found < 0)]
        if strangers.size:
            raise StaleArtifactError(
                f"{source}: names boundary {strangers[0]}, which boundaries.parquet lacks",
                next_step="build the shards again",
            )
        return found

    def lacks(self, ids: Ids) -> Ids:
        """Those of ``ids`` that it does not hold."""
        return ids[~np.isin(ids, self.ids)]

    def extended_by(self, other: BoundaryTable) -> BoundaryTable:
        """The same rows, then those boundaries of ``other`` that it lacks, with ``other``'s vectors."""
        new = np.isin(other.ids, self.lacks(other.ids))
        return BoundaryTable(
            np.concatenate((self.ids, other.ids[new])), np.concatenate((self.vectors, other.vectors[new]))
        )


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

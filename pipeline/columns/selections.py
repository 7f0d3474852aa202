"""All selections of the selection stage in arrays on disk, from which a part takes those of its characters.

A selection is found by its id alone, so a part reads only the selections it needs, not a table as long as the data
set. The arrays are memory-mapped, so the processes of one machine share a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.columns.lists import offsets, whole
from ssmi.pipeline.contract.offsets import indices_of, offsets_of
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.columns import Ints

_COLUMNS = ("best_id", "best_cosine", "set_ids", "negative_ids")
_TYPES: dict[str, type[np.generic]] = {
    "best_id": np.int32,
    "best_cosine": np.float32,
    "set_ids": np.int32,
    "set_ids.ends": np.int64,
    "negative_ids": np.int32,
    "negative_ids.ends": np.int64,
}
"""File → type; an ``.ends`` file holds the position in its column at which each selection's list ends."""


@dataclass(frozen=True, slots=True)
class ListColumn:
    """Lists of ids, one after the other.

    Attributes:
        offsets: Start of each list in ``ids``, and the end of the last list. Shape: (lists + 1,)
        ids: The ids of all lists.
    """

    offsets: Ints
    ids: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SelectedBoundaryColumns:
    """Some selections. Ids are boundary ids; ``best_ids`` and ``best_cosines`` have the shape (selections,)."""

    best_ids: npt.NDArray[np.int32]
    best_cosines: npt.NDArray[np.float32]
    """0 for a selection without a best boundary."""
    sets: ListColumn
    negatives: ListColumn


class Selections:
    """The opened arrays of all selections."""

    def __init__(self, folder: Path) -> None:
        self._columns = {name: _mapped(folder / name, kind) for name, kind in _TYPES.items()}

    def take(self, ids: Ints) -> SelectedBoundaryColumns:
        """Return the selections with these ids, in the order of ``ids``."""
        return SelectedBoundaryColumns(
            self._columns["best_id"][ids], self._columns["best_cosine"][ids], self._lists("set_ids", ids),
            self._lists("negative_ids", ids),
        )  # fmt: skip

    def _lists(self, name: str, ids: Ints) -> ListColumn:
        ends = self._columns[f"{name}.ends"]
        # The first list begins at 0, each other list where the list before it ends.
        starts = np.where(ids > 0, ends[ids - 1], 0) if len(ends) else np.zeros(0, dtype=np.int64)
        lengths = ends[ids] - starts
        return ListColumn(offsets_of(lengths), self._columns[name][indices_of(starts, lengths)])


def write_selections(parts: Sequence[Path], folder: Path) -> None:
    """Write the arrays from the parts of the selection stage's table, which hold all ids in order."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        paths = {name: stack.enter_context(replacing.writing(folder / name)) for name in _TYPES}
        files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
        n_before = dict.fromkeys(_COLUMNS, 0)
        for path in parts:
            table = tables.read_table(path, schema.SELECTIONS, columns=_COLUMNS)
            for name in _COLUMNS:
                n_before[name] += _append(files, name, whole(table, name), n_before=n_before[name])


def _append(files: Mapping[str, BinaryIO], name: str, column: pa.Array, *, n_before: int) -> int:
    """Write a column of one part; return the number of values written."""
    if pa.types.is_list(column.type):
        _write(files[f"{name}.ends"], offsets(column)[1:] + n_before, name=f"{name}.ends")
        column = column.flatten()
    _write(files[name], column.fill_null(0).to_numpy(zero_copy_only=False), name=name)
    return len(column)


def _write(stream: BinaryIO, values: npt.NDArray[Any], *, name: str) -> None:
    stream.write(np.ascontiguousarray(values, dtype=_TYPES[name]).data)


def _mapped(path: Path, kind: type[np.generic]) -> npt.NDArray[Any]:
    # An empty file cannot be mapped. A plain array, because every view of numpy's memmap class costs a Python call.
    return np.asarray(np.memmap(path, dtype=kind, mode="r")) if path.stat().st_size else np.zeros(0, dtype=kind)


@lru_cache(maxsize=1)
def open_selections(folder: Path) -> Selections:
    """Open the selections once per process, which is safe: a stage's working folder never held older ones."""
    return Selections(folder)

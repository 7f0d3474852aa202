"""Sorted names in a file, each with a number, found by binary search instead of held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.columns.sorting import in_groups, sorted_tables
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.columns import Ints, is_run_start

SCHEMA = pa.schema([("name", pa.string()), ("number", pa.int64())])
NAMES_PER_BLOCK = 4096
"""Names in one block of the file; only the first name of each block is held in memory."""


class SortedNames:
    """Names in ascending order of code points, each with its number; opened once and read by block."""

    def __init__(self, path: Path) -> None:
        # Memory-mapped, so that processes of a machine share the pages they read, and the system may drop them.
        self._blocks = pa.ipc.open_file(pa.memory_map(str(path)))
        blocks = [self._block(index) for index in range(self._blocks.num_record_batches)]
        self._firsts = pa.array([block["name"][0].as_py() for block in blocks], pa.string())
        self._n = sum(map(len, blocks))

    def __len__(self) -> int:
        return self._n

    def find(self, names: pa.Array) -> tuple[Ints, Ints]:
        """Return the index of each given name among all names, and its number; both are -1 if the name is missing."""
        found: Ints = np.full((2, len(names)), -1, dtype=np.int64)
        order = pc.sort_indices(names)
        ascending = names.take(order)
        blocks = pc.search_sorted(self._firsts, ascending, side="right").to_numpy().astype(np.int64) - 1
        starts = np.flatnonzero(is_run_start(blocks)).tolist()
        for start, end in pairwise([*starts, len(blocks)]):
            if (index := int(blocks[start])) >= 0:
                found[:, start:end] = _found(self._block(index), ascending[start:end], before=index * NAMES_PER_BLOCK)
        given = np.empty_like(found)
        given[:, order.to_numpy()] = found
        return given[0], given[1]

    def numbers(self) -> Iterator[Ints]:
        """Yield the numbers of all names, in the order of the names, block by block."""
        for index in range(self._blocks.num_record_batches):
            yield self._block(index)["number"].to_numpy()

    def _block(self, index: int) -> pa.RecordBatch:
        return self._blocks.get_batch(index)


def write_names(names: Iterable[pa.Table], path: Path) -> None:
    """Write a file for ``SortedNames`` from tables of ``SCHEMA``, which hold each name once and in any order."""
    ascending = sorted_tables(names, SCHEMA, order=[("name", "ascending")], folder=path.parent)
    with replacing.writing(path) as temporary, pa.ipc.new_file(temporary, SCHEMA) as writer:
        for block in in_groups(ascending, SCHEMA, rows=NAMES_PER_BLOCK):
            writer.write_table(block)


def _found(block: pa.RecordBatch, names: pa.Array, *, before: int) -> Ints:
    """Return the indices and numbers of names that sort into a block, which has ``before`` names before it."""
    indices = pc.search_sorted(block["name"], names).to_numpy().astype(np.int64)
    # A name that sorts after the whole block is compared with the last one, and differs from it.
    closest = pa.array(np.minimum(indices, len(block) - 1))
    there = pc.equal(block["name"].take(closest), names).to_numpy(zero_copy_only=False)
    return np.where(there, np.stack([indices + before, block["number"].take(closest).to_numpy()]), -1)

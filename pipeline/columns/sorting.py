"""Sorting of tables that need not fit in memory: sorted runs in files, merged block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.features.columns import Ints

Order = Sequence[tuple[str, Literal["ascending", "descending"]]]
"""Columns to sort by, the most significant first. Texts sort by their UTF-8 bytes, and so by code points."""

ROWS_PER_RUN = 1 << 17
"""Rows of a run, which is sorted in memory."""
MAX_RUNS = 32
"""Maximum number of runs merged at once; if there are more, they are first merged into fewer."""


def sorted_tables(
    tables: Iterable[pa.Table], schema: pa.Schema, *, order: Order, folder: Path, rows_per_run: int = ROWS_PER_RUN
) -> Iterator[pa.Table]:
    """Sort the rows of many tables.

    Args:
        tables: The tables, each of ``schema``.
        schema: Schema of the tables; the columns contain no nulls.
        order: Columns to sort by; rows that are equal in all of them are in no particular order.
        folder: Existing folder for the runs, which are removed at the end.
        rows_per_run: Maximum number of rows in memory; a single given table may exceed it.

    Yields:
        The sorted rows in several tables. Rows that are equal by ``order`` may be in different tables.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        paths = (Path(scratch) / f"{number}.arrow" for number in count())
        runs = [
            _write(path, schema, [run.sort_by(list(order))], rows_per_block=rows_per_run // MAX_RUNS)
            for run, path in zip(_runs(tables, schema, rows_per_run), paths, strict=False)
        ]
        while len(runs) > MAX_RUNS:
            merged = _merged([_read(path) for path in runs[:MAX_RUNS]], order)
            longer = _write(next(paths), schema, merged, rows_per_block=rows_per_run // MAX_RUNS)
            for path in runs[:MAX_RUNS]:
                path.unlink()
            runs = [*runs[MAX_RUNS:], longer]
        yield from _merged([_read(path) for path in runs], order)


def in_groups(tables: Iterable[pa.Table], schema: pa.Schema, *, rows: int) -> Iterator[pa.Table]:
    """Regroup the rows of many tables into tables of ``rows`` rows; the last may have fewer."""
    held = schema.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        whole = len(held) - len(held) % rows
        for start in range(0, whole, rows):
            yield held.slice(start, rows).combine_chunks()
        held = held.slice(whole)
    if len(held):
        yield held.combine_chunks()


def summed(tables: Iterable[pa.Table], schema: pa.Schema, *, key: str) -> Iterator[pa.Table]:
    """Combine sorted rows with the same ``key``, also across tables, into one row with sums of the other columns."""
    held = schema.empty_table()
    for table in tables:
        rows = pa.concat_tables([held, table]).combine_chunks()
        first = np.ones(len(rows), dtype=np.bool_)
        if len(rows) > 1:
            first[1:] = pc.not_equal(rows[key][1:], rows[key][:-1]).to_numpy()
        starts = np.flatnonzero(first)
        columns = [
            rows[name].take(pa.array(starts)) if name == key else pa.array(_sums(rows[name].to_numpy(), starts))
            for name in schema.names
        ]
        sums = pa.table(columns, schema=schema)
        # The last key may continue in the next table.
        n_done = max(0, len(sums) - 1)
        yield sums.slice(0, n_done)
        held = sums.slice(n_done)
    yield held


def _sums(values: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(values, starts) if len(starts) else values


def _runs(tables: Iterable[pa.Table], schema: pa.Schema, rows_per_run: int) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    n_held = 0
    for table in tables:
        if n_held and n_held + len(table) > rows_per_run:
            yield pa.concat_tables(held)
            held, n_held = [], 0
        held.append(table)
        n_held += len(table)
    if n_held:
        yield pa.concat_tables(held).combine_chunks()


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], *, rows_per_block: int) -> Path:
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_stream(stream, schema) as writer:
        for table in tables:
            writer.write_table(table, max_chunksize=max(1, rows_per_block))
    return path


def _read(path: Path) -> Iterator[pa.Table]:
    # Read, not mapped: mapped pages would stay in memory as long as there is room.
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as blocks:
        for block in blocks:
            yield pa.Table.from_batches([block])


def _merged(runs: Sequence[Iterator[pa.Table]], order: Order) -> Iterator[pa.Table]:
    """Merge sorted runs: each table holds all rows up to the smallest of the last rows of the runs' current blocks."""
    heads = [(next(run), run) for run in runs]
    while heads:
        lasts = pa.concat_tables([block.slice(len(block) - 1) for block, _ in heads])
        bound = lasts.sort_by(list(order)).slice(0, 1).to_pylist()[0]
        ready, rest = [], []
        for block, run in heads:
            n_ready = len(block) if len(heads) == 1 else _n_up_to(block, bound, order)
            ready.append(block.slice(0, n_ready))
            following = block.slice(n_ready) if n_ready < len(block) else next(run, None)
            if following is not None:
                rest.append((following, run))
        yield pa.concat_tables(ready).combine_chunks().sort_by(list(order))
        heads = rest


def _n_up_to(block: pa.Table, bound: dict[str, object], order: Order) -> int:
    """Count the rows of a sorted block that come before ``bound`` or are equal to it."""
    up_to: pa.ChunkedArray | pa.Scalar = pa.scalar(True)
    for name, direction in reversed(order):
        column, value = block[name], pa.scalar(bound[name], block.schema.field(name).type)
        before = pc.less(column, value) if direction == "ascending" else pc.greater(column, value)
        up_to = pc.or_(before, pc.and_(pc.equal(column, value), up_to))
    return int(pc.sum(up_to).as_py())

"""Write and open the Parquet tables of the contract: checked schema, steady bytes, whole-or-nothing files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.storage.replacing import writing

SPLITS = ("train", "dev", "test")
TEXT = "text"
"""The one split of a corpus, whose sentences have no labels."""
ALL_SPLITS = (*SPLITS, TEXT)
SOURCES = "sources"
"""Folder of a prepared corpus, beside its split: where each sentence comes from, in parts of the same numbers."""
ROWS_PER_GROUP = 4096


def part_path(folder: Path, split: str, part: int) -> Path:
    """``<folder>/<split>/part-00000.parquet``."""
    return folder / split / f"part-{part:05d}.parquet"


def list_parts(folder: Path, split: str) -> list[Path]:
    """The parts of a split in order; empty when the split does not exist."""
    return sorted((folder / split).glob("part-*.parquet"))


def write_rows(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write plain rows as one table; a missing key is an error, not a null."""
    names = schema.names
    columns = [pa.array([row[name] for row in rows], type=schema.field(name).type) for name in names]
    write_table(path, schema, pa.Table.from_arrays(columns, schema=schema))


def write_table(path: Path, schema: pa.Schema, table: pa.Table) -> None:
    """Write a table under a temporary name, then rename it: a reader sees the whole file or none.

    The metadata of its schema, which are no part of the contract, are written too.
    """
    if not table.schema.equals(schema):
        raise StaleArtifactError(
            f"{path.name}: table differs from the contract: {table.schema}", next_step="report this as a bug"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        # Spelled out, since another release of pyarrow may have other defaults.
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            version="2.6",
            row_group_size=ROWS_PER_GROUP,
            write_page_index=True,
            store_schema=True,
        )


def read_table(path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole table, refusing one whose columns are not the contract's."""
    try:
        stored = pq.read_schema(path)
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: not there", next_step="build the features first") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise StaleArtifactError(
            f"{path}: not a Parquet table ({error})", next_step="build the features again"
        ) from error
    # Columns and their types are the contract; metadata is not.
    if not stored.remove_metadata().equals(schema):
        differing = sorted(
            set(stored.names) ^ set(schema.names)
            or {name for name in schema.names if stored.field(name).type != schema.field(name).type}
        )
        raise StaleArtifactError(
            f"{path}: columns of another schema version (differing: {', '.join(differing) or 'their order'})",
            next_step="build the features again with this version",
        )
    names = list(columns) if columns is not None else schema.names
    with pq.ParquetFile(path) as file:  # pq.read_table would import pandas where it is installed: half a second
        return file.read(columns=names).select(names)


def read_rows(path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Read a table as plain rows."""
    rows: list[dict[str, Any]] = read_table(path, schema, columns=columns).to_pylist()
    return rows


def count_rows(paths: Iterable[Path]) -> int:
    """Rows of several tables, from their footers."""
    return sum(pq.read_metadata(path).num_rows for path in paths)

"""Write and open the Parquet tables of the contract: checked schema, steady bytes, whole-or-nothing files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.manifest import FileEntry, Manifest
from ssmi.pipeline.contract.storage import checked_files
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
    return in_order((folder / split).glob("part-*.parquet"))


def in_order(parts: Iterable[Path]) -> list[Path]:
    """Parts of one split by their numbers, of which those from 100,000 on have more digits."""
    return sorted(parts, key=lambda path: (len(path.name), path.name))


def write_rows(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write plain rows as one table; a missing key is an error, not a null."""
    names = schema.names
    columns = [pa.array([row[name] for row in rows], type=schema.field(name).type) for name in names]
    write_table(path, schema, pa.Table.from_arrays(columns, schema=schema))


def write_table(path: Path, schema: pa.Schema, table: pa.Table) -> None:
    """Write a table under a temporary name, then rename it: a reader sees the whole file or none.

    The metadata of its schema, which are no part of the contract, are written too.
    """
    _check_written(path, schema, table)
    write_tables(path, table.schema, [table])


def write_tables(path: Path, schema: pa.Schema, some: Iterable[pa.Table]) -> None:
    """Write one table of many, which need not be in memory together, as ``write_table`` does.

    Each but the last must have a multiple of ``ROWS_PER_GROUP`` rows; the file is then that of all as one table.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Spelled out, since another release of pyarrow may have other defaults.
    with writing(path) as temporary, pq.ParquetWriter(
        temporary,
        schema,
        compression="zstd",
        version="2.6",
        write_page_index=True,
        store_schema=True,
        write_page_checksum=True,
        # Texts repeat; of numbers a dictionary costs a quarter of the time, and the files are no smaller for it.
        use_dictionary=list(_text_columns(schema)),
    ) as writer:  # fmt: skip
        is_empty = True
        for table in some:
            _check_written(path, schema, table)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            is_empty = False
        if is_empty:  # as a table without rows is written
            writer.write_table(schema.empty_table())


def _text_columns(fields: Iterable[pa.Field], *, within: str = "") -> Iterator[str]:
    """The columns of texts by their names in a file, also those of lists and structures."""
    for field in fields:
        name, kind = f"{within}{field.name}", field.type
        if pa.types.is_string(kind):
            yield name
        elif pa.types.is_struct(kind):
            yield from _text_columns(kind, within=f"{name}.")
        elif pa.types.is_list(kind):
            yield from _text_columns([kind.value_field.with_name("element")], within=f"{name}.list.")


def _check_written(path: Path, schema: pa.Schema, table: pa.Table) -> None:
    if not table.schema.equals(schema):
        raise StaleArtifactError(
            f"{path.name}: table differs from the contract: {table.schema}", next_step="report this as a bug"
        )


def read_table(
    path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None, held_to: Manifest | None = None
) -> pa.Table:
    """Read a whole table, refusing one whose columns are not the contract's or that changed since it was written.

    Args:
        path: The file.
        schema: The contract's.
        columns: Those to read; None for all.
        held_to: As ``checked_files.read`` takes it.

    Returns:
        The columns, in the order asked for.

    Raises:
        MissingResourceError: The file is not there.
        StaleArtifactError: It changed, or is no table of this version.
    """
    with open_table(path, held_to=held_to) as file:
        check_columns(path, file.schema_arrow, schema)
        names = list(columns) if columns is not None else schema.names
        return file.read(columns=names).select(names)


@contextmanager
def open_table(path: Path, *, held_to: Manifest | None = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file as ``read_table`` does, whatever its columns; what cannot be read in it is refused alike."""
    content = checked_files.read(path, held_to=held_to)
    try:
        # pq.read_table would import pandas where it is installed: half a second.
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            yield file
    # Of bytes that were not written so, Arrow also tells in Python's own words.
    except (OSError, pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise _no_table(path, error) from error


def _no_table(path: Path, error: Exception) -> StaleArtifactError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    hint = checked_files.hint_for(path)
    return StaleArtifactError(f"{path}: not a Parquet table ({reason})", next_step=hint)


def check_columns(path: Path, stored: pa.Schema, schema: pa.Schema) -> None:
    """Refuse, with StaleArtifactError, a table whose columns are not the contract's; metadata is no part of it."""
    if stored.remove_metadata().equals(schema):
        return
    differing = sorted(
        set(stored.names) ^ set(schema.names)
        or {name for name in schema.names if stored.field(name).type != schema.field(name).type}
    )
    raise StaleArtifactError(
        f"{path}: columns of another schema version (differing: {', '.join(differing) or 'their order'})",
        next_step="build the features again with this version",
    )


def read_tables(path: Path, schema: pa.Schema, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read a table some rows at a time, after reading the file through; raises as ``read_table``."""
    checked_files.check(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_columns(path, file.schema_arrow, schema)
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _no_table(path, error) from error


def read_rows(
    path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None, held_to: Manifest | None = None
) -> list[dict[str, Any]]:
    """Read a table as plain rows; as ``read_table``."""
    rows: list[dict[str, Any]] = read_table(path, schema, columns=columns, held_to=held_to).to_pylist()
    return rows


def count_rows(paths: Iterable[Path]) -> int:
    """Rows of several tables together; as ``rows_of``."""
    return sum(rows_of(list(paths)))


def rows_of(paths: Sequence[Path]) -> list[int]:
    """Rows of each of several tables: from the manifest beside it, where there is one, else from its footer."""
    return [_rows(path, entry) for path, entry in zip(paths, checked_files.entries_of(paths), strict=True)]


def _rows(path: Path, entry: FileEntry | None) -> int:
    if entry is not None and entry.rows is not None:
        return entry.rows
    with open_table(path) as file:
        return int(file.metadata.num_rows)

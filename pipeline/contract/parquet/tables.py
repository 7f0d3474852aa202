"""Write and read the Parquet tables of the contract: checked schemas, reproducible bytes, atomic files."""

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
"""Folder beside the split of a prepared corpus: where each sentence comes from, in parts numbered as the split's."""
ROWS_PER_GROUP = 4096


def part_path(folder: Path, split: str, part: int) -> Path:
    """``<folder>/<split>/part-00000.parquet``."""
    return folder / split / f"part-{part:05d}.parquet"


def list_parts(folder: Path, split: str) -> list[Path]:
    """List the parts of a split in order; empty if the split does not exist."""
    return sort_parts((folder / split).glob("part-*.parquet"))


def sort_parts(parts: Iterable[Path]) -> list[Path]:
    """Sort the parts of one split by their numbers, which have more digits from 100,000 on."""
    return sorted(parts, key=lambda path: (len(path.name), path.name))


def write_rows(path: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write plain rows as one table; a missing key is an error, not a null."""
    names = schema.names
    columns = [pa.array([row[name] for row in rows], type=schema.field(name).type) for name in names]
    write_table(path, schema, pa.Table.from_arrays(columns, schema=schema))


def write_table(path: Path, schema: pa.Schema, table: pa.Table) -> None:
    """Write a table under a temporary name, then rename it, so that readers see the whole file or none.

    The metadata of its schema, which is not part of the contract, is written too.
    """
    _check_written(path, schema, table)
    write_tables(path, table.schema, [table])


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write many tables as one file, as ``write_table`` does; they need not be in memory together.

    Each table except the last must have a multiple of ``ROWS_PER_GROUP`` rows. The file then equals that of a single
    table with all rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Explicit, because the defaults may differ between releases of pyarrow.
    with writing(path) as temporary, pq.ParquetWriter(
        temporary,
        schema,
        compression="zstd",
        version="2.6",
        write_page_index=True,
        store_schema=True,
        write_page_checksum=True,
        # Texts repeat; for numbers, dictionaries take a quarter of the time and do not make the files smaller.
        use_dictionary=list(_text_columns(schema)),
    ) as writer:  # fmt: skip
        is_empty = True
        for table in tables:
            _check_written(path, schema, table)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            is_empty = False
        if is_empty:  # the same file as for a table without rows
            writer.write_table(schema.empty_table())


def _text_columns(fields: Iterable[pa.Field], *, within: str = "") -> Iterator[str]:
    """Yield the string columns by their names in the file, including those inside lists and structs."""
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
    path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None, manifest: Manifest | None = None
) -> pa.Table:
    """Read a whole table after verifying that it is unchanged and has the columns of the contract.

    Args:
        path: The file.
        schema: Schema of the table in the contract.
        columns: Names of the columns to read; None for all.
        manifest: Manifest to verify the file against; see ``checked_files.read``.

    Returns:
        The columns, in the requested order.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, or is not a table of this version.
    """
    with open_table(path, manifest=manifest) as file:
        check_columns(path, file.schema_arrow, schema)
        names = list(columns) if columns is not None else schema.names
        return file.read(columns=names).select(names)


@contextmanager
def open_table(path: Path, *, manifest: Manifest | None = None) -> Iterator[pq.ParquetFile]:
    """Open a verified Parquet file with any columns; errors are those of ``read_table``, also while it is read."""
    buffer = in_arrow_memory(checked_files.read(path, manifest=manifest))
    try:
        # pq.read_table would import pandas if it is installed, which takes half a second.
        with pq.ParquetFile(pa.BufferReader(buffer), page_checksum_verification=True) as file:
            yield file
    # For damaged bytes, Arrow also raises Python's own exceptions.
    except (OSError, pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise _no_table(path, error) from error


def in_arrow_memory(content: bytes | bytearray) -> pa.Buffer:
    """Copy bytes, so that Arrow's threads free no Python object.

    One of them may drop the last reference to the content after the reader has returned. If Python ends meanwhile, a
    thread that needs the interpreter aborts the process (https://github.com/apache/arrow/issues/34314).
    """
    buffer = pa.allocate_buffer(len(content))
    memoryview(buffer).cast("B")[:] = content
    return buffer


def _no_table(path: Path, error: Exception) -> StaleArtifactError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    hint = checked_files.hint_for(path)
    return StaleArtifactError(f"{path}: not a Parquet table ({reason})", next_step=hint)


def check_columns(path: Path, stored: pa.Schema, schema: pa.Schema) -> None:
    """Raise StaleArtifactError if the columns of a table are not the contract's; metadata is not compared."""
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
    """Read a table in batches of rows after verifying the whole file; raises the errors of ``read_table``."""
    checked_files.check(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_columns(path, file.schema_arrow, schema)
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _no_table(path, error) from error


def read_rows(
    path: Path, schema: pa.Schema, *, columns: Sequence[str] | None = None, manifest: Manifest | None = None
) -> list[dict[str, Any]]:
    """Read a table as plain rows; arguments and errors are those of ``read_table``."""
    rows: list[dict[str, Any]] = read_table(path, schema, columns=columns, manifest=manifest).to_pylist()
    return rows


def count_rows(paths: Iterable[Path]) -> int:
    """Count the rows of several tables together; see ``row_counts``."""
    return sum(row_counts(list(paths)))


def row_counts(paths: Sequence[Path]) -> list[int]:
    """Count the rows of each table, according to the manifest beside it or, without one, the file's footer."""
    return [_rows(path, entry) for path, entry in zip(paths, checked_files.entries_of(paths), strict=True)]


def _rows(path: Path, entry: FileEntry | None) -> int:
    if entry is not None and entry.rows is not None:
        return entry.rows
    with open_table(path) as file:
        return int(file.metadata.num_rows)

"""Parquet files with the rows described in ``rows/objects``; the format of ``datasets`` on the Hugging Face hub.

Tags may be numbers. Their names are given by ``labels`` of dataset.yaml, otherwise by the file's metadata if
``datasets`` wrote it. Rows are counted from 1 where other formats count lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, at_line
from ssmi.pipeline.contract.user_files import refuse_lfs_file
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value
from ssmi.pipeline.readers.rows.objects import SPAN_KEYS, TAG_KEYS, TYPE_KEYS, read_rows
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

ROWS_AT_ONCE = 1000
"""Number of rows that are in memory at once."""

_DAMAGE = (OSError, ValueError, TypeError, LookupError, OverflowError, MemoryError, RecursionError)
"""Exceptions other than its own that pyarrow raises for damaged files: text that is not UTF-8, absurd sizes."""
_COLUMNS = ("text", "tokens", *TAG_KEYS, *SPAN_KEYS)


def read_parquet(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each row.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: The file is not Parquet. With ``file:row``: as in ``read_rows``.
    """
    names = _label_names(path)
    tag_names = next((names[key] for key in TAG_KEYS if key in names), None)

    def rows(_: ReadReport | None) -> Iterator[Value]:
        return _rows(path, names)

    return read_rows(rows, path=path, options=options, report=report, labels=tag_names)


def _rows(path: Path, names: Mapping[str, tuple[str, ...]]) -> Iterator[Value]:
    import pyarrow as pa

    number = 0
    with _opened(path) as file:
        columns = [name for name in file.schema_arrow.names if name in _COLUMNS]
        try:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    where = at_line(path, number)
                    for key in SPAN_KEYS:
                        if key in row:
                            row[key] = _spans(row[key], names.get(key, ()), where=where)
                    yield Value(row, number, where)
        except (*_DAMAGE, pa.ArrowException) as error:
            raise _unreadable(path, error) from None


def _spans(cell: Any, names: tuple[str, ...], *, where: str) -> Any:
    """Convert a cell of entities to the form of JSON: a row of lists becomes a list of rows, numbers become types."""
    if isinstance(cell, str):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise InputDataError(
                f"{where}: expected entities, got a text that is not JSON ({error})",
                next_step="keep entities as lists of start, end and label",
            ) from None
    if isinstance(cell, dict) and all(isinstance(column, list) for column in cell.values()):
        cell = [dict(zip(cell, values, strict=False)) for values in zip(*cell.values(), strict=False)]
    for one in cell if isinstance(cell, list) else ():
        for key in TYPE_KEYS:
            if isinstance(one, dict) and type(one.get(key)) is int and 0 <= one[key] < len(names):
                one[key] = names[one[key]]
    return cell


def _label_names(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the numbers in each column, which ``datasets`` stores in the file's metadata."""
    with _opened(path) as file:
        metadata = file.schema_arrow.metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {key: named for key, feature in features.items() if (named := _names(feature))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _names(feature: Any) -> tuple[str, ...]:
    """Return the names of the first ClassLabel inside a feature."""
    if isinstance(feature, list):
        feature = dict(enumerate(feature))
    if not isinstance(feature, dict):
        return ()
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list):
        return tuple(map(str, names))
    return next(filter(None, map(_names, feature.values())), ())


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        refuse_lfs_file(path)
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: no such file", next_step="check the name") from error
    except (*_DAMAGE, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputDataError:
    what = " ".join(str(error).split())
    return InputDataError(f"{path}: not a Parquet file that can be read ({what})", next_step="fetch or write it again")

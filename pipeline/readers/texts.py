r"""Text without labels, one text after the other: lines, JSON lines or a column of a Parquet table.

By its name a file ending in ``.jsonl`` or ``.ndjson`` holds an object a line, one in ``.parquet`` a table, any other
plain text with a text a line; only ``\n`` and ``\r\n`` end a line, as on line. Plain text and JSON lines may be packed
with gzip or zstd, which their first bytes tell. Memory holds a line, or some rows of a table.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.wording import json_kind
from ssmi.pipeline.contract.user_files import require_file, unreadable
from ssmi.pipeline.readers import labelled
from ssmi.pipeline.readers.decoding import GZIP_MAGIC, LONGEST_LINE, BadBytes, byte_order_mark, decoded_lines

ROWS_AT_ONCE = 1000
"""Rows of a table that are in memory at once."""
ENDINGS = (".txt", ".jsonl", ".ndjson", ".parquet")
"""Names of the files of a folder that are read; ``.gz`` and ``.zst`` after them are left out, a table has none."""

_PACKED = (".gz", ".zst")
_JSON_LINES = (".jsonl", ".ndjson")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MARK_BYTES = 4
_LINES_LOOKED_AT = 100
_LONG_LINE = 1000
"""Characters; no row of a labelled file has so many."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and where it stands."""

    line: int
    """Its line, or its row in a table, from 1."""
    text: str


def holds_texts(path: Path) -> bool:
    """Whether a file of a folder is read, by its name."""
    return _ending(path) in ENDINGS


def holds_rows(path: Path) -> bool:
    """Whether a file holds rows with fields, by its name, and not plain text."""
    return _ending(path) in (*_JSON_LINES, ".parquet")


def read_texts(path: Path, *, field: str) -> Iterator[Text]:
    """Yield the texts of a file; empty lines of plain text are texts too, blank lines between JSON objects are not.

    Args:
        path: The file.
        field: Where an object or a table holds its text.

    Raises:
        MissingResourceError: The file is not there.
        InputDataError: With ``file:line``: it is not UTF-8 (UTF-16 and 32 need their mark), not such an object, or has
            no such field; or it cannot be unpacked, is no table, or is a labelled file, whose tags are no text.
    """
    require_file(path)
    ending = _ending(path)
    if ending == ".parquet":
        return _rows(path, field)
    if ending in labelled.ENDINGS:
        raise _labelled(path, "by its name a labelled file")
    lines = _lines(path)
    return _objects(lines, path, field) if ending in _JSON_LINES else _unlabelled(lines, path)


def _ending(path: Path) -> str:
    return Path(path.stem if path.suffix.lower() in _PACKED else path.name).suffix.lower()


def _lines(path: Path) -> Iterator[Text]:
    def refuse(bad: BadBytes) -> InputDataError:
        return InputDataError(
            f"{at_line(path, bad.number)}: not UTF-8 at byte {bad.index}", next_step="convert the text to UTF-8"
        )

    def too_long(number: int) -> InputDataError:
        return InputDataError(
            f"{at_line(path, number)}: a line of over {LONGEST_LINE >> 20} MiB", next_step="part it into lines"
        )

    number = 0
    with _unpacked(path) as stream:
        try:
            mark, codec = byte_order_mark(stream.peek(_MARK_BYTES)[:_MARK_BYTES])
            lines = decoded_lines(stream, codec=codec or "utf-8", mark=mark, refuse=refuse, too_long=too_long)
            for number, line, _ in lines:
                yield Text(number, line[:-1].removesuffix("\r") if line.endswith("\n") else line)
        except (OSError, EOFError, zlib.error) as error:
            raise InputDataError(
                f"{at_line(path, number + 1)}: cannot be read or unpacked ({error})",
                next_step="bring the file over again",
            ) from error


def _unlabelled(lines: Iterator[Text], path: Path) -> Iterator[Text]:
    """The lines of a text, refused where the first ones hold tokens and tags."""
    head: list[Text] = []
    for line in lines:
        head.append(line)
        if len(head) == _LINES_LOOKED_AT or len(line.text) > _LONG_LINE:
            break
    form = labelled.labelled_form([line.text[:_LONG_LINE] for line in head])
    if form is not None:
        raise _labelled(path, f"a labelled file ({labelled.WHAT[form]})")
    yield from head
    yield from lines


def _labelled(path: Path, what: str) -> InputDataError:
    take_out = f"`ssmi-cli data convert {quote(str(path))} texts.jsonl --format jsonl`"
    return InputDataError(f"{path}: {what}, not plain text", next_step=f"take its texts out: {take_out}")


@contextmanager
def _unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked where gzip or zstd packed it."""
    try:
        with path.open("rb") as stream:
            packed = _unpacking(stream, stream.peek(_MARK_BYTES)[:_MARK_BYTES])
            with stream if packed is None else io.BufferedReader(packed) as unpacked:
                yield unpacked
    except OSError as error:
        raise unreadable(path, error) from error


def _unpacking(stream: BinaryIO, head: bytes) -> Any:
    """What unpacks a stream that begins with ``head``; None for one that is not packed."""
    if head.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(_ZSTD_MAGIC):
        import pyarrow as pa  # Python has no zstd before 3.14, and pyarrow is here anyway

        return pa.CompressedInputStream(stream, "zstd")
    return None


def _objects(lines: Iterator[Text], path: Path, field: str) -> Iterator[Text]:
    for line in lines:
        if not line.text.strip():
            continue
        where = at_line(path, line.line)
        try:
            body = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            raise InputDataError(f"{where}: not JSON ({error})", next_step=_objects_step(field)) from None
        if not isinstance(body, dict):
            raise InputDataError(f"{where}: {json_kind(body)}, not a JSON object", next_step=_objects_step(field))
        if field in body and not isinstance(body[field], str):
            raise _not_text(where, field, json_kind(body[field]))
        if field not in body:
            raise _no_text(where, field, [key for key, value in body.items() if isinstance(value, str)])
        yield Text(line.line, body[field])


def _objects_step(field: str) -> str:
    return f'write {{"{field}": "..."}} on each line; plain text is read from files named .txt'


def _no_text(where: str, field: str, others: list[str]) -> InputDataError:
    held = f" (there are {', '.join(map(repr, others[:5]))})" if others else ""
    return InputDataError(
        f"{where}: no text in {field!r}{held}", next_step="name the field that holds it: -S prepare.text_field=NAME"
    )


def _not_text(where: str, field: str, kind: str) -> InputDataError:
    return InputDataError(f"{where}: {field!r} is {kind}, not text", next_step="give it a text, or leave the row out")


def _rows(path: Path, field: str) -> Iterator[Text]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            kinds = {column.name: column.type for column in file.schema_arrow}
            texts = [name for name, kind in kinds.items() if pa.types.is_string(kind) or pa.types.is_large_string(kind)]
            if field not in texts:
                raise _no_text(str(path), field, texts)
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[field]):
                for text in batch.column(0).to_pylist():
                    number += 1
                    if text is None:
                        raise _not_text(at_line(path, number), field, json_kind(text))
                    yield Text(number, text)
    # Of bytes that were not written so, Arrow also tells in Python's own words.
    except (OSError, pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        what = " ".join(str(error).split())
        raise InputDataError(
            f"{path}: not a Parquet file that can be read ({what})", next_step="fetch or write it again"
        ) from error

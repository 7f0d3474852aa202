r"""Read unlabelled texts one by one: from lines, JSON lines or a column of a Parquet table.

A file ending in ``.jsonl`` or ``.ndjson`` holds one object per line, a file ending in ``.parquet`` a table, and any
other file plain text with one text per line. Lines end as online: at ``\n`` or ``\r\n``, or at ``\r`` in a file without
``\n``. Plain text and JSON lines may be packed with gzip or zstd, which are recognised by the first bytes. Memory holds
one line, or some rows of a table.
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
from ssmi.pipeline.contract.text.encodings import likely_readings
from ssmi.pipeline.contract.text.json_text import not_json
from ssmi.pipeline.contract.text.wording import json_kind
from ssmi.pipeline.contract.user_files import refuse_lfs_file, require_file, unreadable
from ssmi.pipeline.readers import labelled
from ssmi.pipeline.readers.documents import HEAD_BYTES, refuse_binary, refuse_document
from ssmi.pipeline.readers.raw.decoding import GZIP_MAGIC, LONGEST_LINE, BadBytes, byte_order_mark, decoded_lines

ROWS_AT_ONCE = 1000
"""Number of rows of a table that are in memory at once."""
ENDINGS = (".txt", ".jsonl", ".ndjson", ".parquet")
"""Endings of the files of a folder that are read, apart from a final ``.gz`` or ``.zst``, which a table cannot have."""

_PACKED = (".gz", ".zst")
_JSON_LINES = (".jsonl", ".ndjson")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LINES_LOOKED_AT = 100
_LONG_LINE = 1000
"""Number of characters that no row of a labelled file reaches."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text and its location."""

    line: int
    """Line number, or row number in a table; from 1."""
    text: str


def holds_texts(path: Path) -> bool:
    """Whether a file of a folder is read, judging by its name."""
    return _ending(path) in ENDINGS


def holds_rows(path: Path) -> bool:
    """Whether a file holds rows with fields rather than plain text, judging by its name."""
    return _ending(path) in (*_JSON_LINES, ".parquet")


def read_texts(path: Path, *, field: str) -> Iterator[Text]:
    """Yield the texts of a file; empty lines of plain text are texts, blank lines between JSON objects are not.

    Args:
        path: The file.
        field: The key of an object, or the column of a table, that holds the text.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: With ``file:line``: a line is not UTF-8 (UTF-16 and UTF-32 need a byte order mark), is not a
            JSON object, or has no text in the field. Or the file cannot be unpacked, is not a table, or is labelled,
            so that its tags would be read as text.
    """
    require_file(path)
    ending = _ending(path)
    if ending == ".parquet":
        return _rows(path, field)
    if ending in labelled.ENDINGS:
        raise _labelled(path, "by its name a labelled file")
    refuse_document(path)
    lines = _lines(path)
    return _objects(lines, path, field) if ending in _JSON_LINES else _unlabelled(lines, path)


def _ending(path: Path) -> str:
    return Path(path.stem if path.suffix.lower() in _PACKED else path.name).suffix.lower()


def _lines(path: Path) -> Iterator[Text]:
    def refuse(bad: BadBytes) -> InputDataError:
        likely, shown = likely_readings(bad.raw, but="utf-8")
        return InputDataError(
            f"{at_line(path, bad.number)}: not UTF-8 ({bad.fault}){shown}",
            next_step="convert the text to UTF-8" + (f": iconv -f {likely[0].upper()} -t UTF-8" if likely else ""),
        )

    def too_long(number: int) -> InputDataError:
        return InputDataError(
            f"{at_line(path, number)}: a line is longer than {LONGEST_LINE >> 20} MiB",
            next_step="split it into shorter lines",
        )

    number = 0
    with _unpacked(path) as stream:
        try:
            head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
            mark, codec = byte_order_mark(head)
            if codec is None:
                refuse_binary(head, path)
            lines = decoded_lines(stream, codec=codec or "utf-8", mark=mark, refuse=refuse, too_long=too_long)
            for line in lines:
                number = line.number
                yield Text(number, line.text.removesuffix(line.end))
        except (OSError, EOFError, zlib.error) as error:
            raise InputDataError(
                f"{at_line(path, number + 1)}: cannot be read or unpacked ({error})",
                next_step="copy the file again",
            ) from error


def _unlabelled(lines: Iterator[Text], path: Path) -> Iterator[Text]:
    """Yield the lines of a text; raise InputDataError if the first lines hold tokens and tags."""
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
    """Open a file, unpacked if it is packed with gzip or zstd."""
    try:
        with path.open("rb") as stream:
            packed = _unpacking(stream, stream.peek(HEAD_BYTES)[:HEAD_BYTES])
            with stream if packed is None else io.BufferedReader(packed) as unpacked:
                yield unpacked
    except OSError as error:
        raise unreadable(path, error) from error


def _unpacking(stream: BinaryIO, head: bytes) -> Any:
    """Return an unpacking stream for a stream that begins with ``head``; None if it is not packed."""
    if head.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(_ZSTD_MAGIC):
        import pyarrow as pa  # Python has no zstd before 3.14, and pyarrow is a dependency anyway

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
            raise not_json(where, error, next_step=_objects_step(field)) from None
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


def _is_text(kind: Any) -> bool:
    """Whether a column holds texts; pandas writes categories as a dictionary of texts, other libraries views."""
    from pyarrow import types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    return any(is_one(plain) for is_one in (types.is_string, types.is_large_string, types.is_string_view))


def _rows(path: Path, field: str) -> Iterator[Text]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        refuse_lfs_file(path)
        with pq.ParquetFile(path) as file:
            kinds = {column.name: column.type for column in file.schema_arrow}
            texts = [name for name, kind in kinds.items() if _is_text(kind)]
            if field not in texts:
                raise _no_text(str(path), field, texts)
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[field]):
                for text in batch.column(0).to_pylist():
                    number += 1
                    if text is None:
                        raise _not_text(at_line(path, number), field, json_kind(text))
                    yield Text(number, text)
    # For damaged files, Arrow also raises Python's built-in exceptions.
    except (OSError, pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        what = " ".join(str(error).split())
        raise InputDataError(
            f"{path}: not a Parquet file that can be read ({what})", next_step="fetch or write it again"
        ) from error

"""Word-vector files → words and one float32 matrix. The only importer of gensim.

Read are word2vec text and binary (gzip too) and saved gensim KeyedVectors. What real files get wrong is mended where
the meaning is clear, and counted (``VectorTable.repairs``); what is unclear is refused with its line or byte.
Duplicates are left in: the vocabulary decides (gensim alone drops them from binary files, which is counted).
"""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import pickle
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contract.errors import InputDataError, at_line

Matrix = npt.NDArray[np.float32]

_ROWS_AT_ONCE = 1024
_LONGEST_LINE = 1 << 20
_MOST_WRONG = 0.01
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_GZIP_BEST = 1032  # deflate never packs tighter than this
_FORMATS = "word2vec text or binary (.gz too) or a saved gensim KeyedVectors (.kv)"


@dataclass(frozen=True, slots=True)
class VectorTable:
    """All rows of a vector file in its order; ``matrix`` has shape (words, d)."""

    words: list[str]
    matrix: Matrix
    format: str
    repairs: dict[str, int]
    """What was mended or dropped, by reason; empty for a clean file."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    word: bytes
    values: list[bytes]


def read_vectors(path: Path) -> VectorTable:
    """Read a vector file of any known format, told by its first bytes.

    Text rows of the wrong width or with something that is no number are dropped and counted. Raises InputDataError
    with ``file:line`` (or the byte) when they are over 1 %, when the first two rows or the header disagree on the
    width, and for files that are truncated, damaged or hold no vectors.
    """
    try:
        with _opened(path) as stream:
            start = stream.read(1 << 16)
        if path.suffix == ".kv" or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
            return _read_keyed_vectors(path)
        if _is_binary(start, path):
            return _read_binary(path, start)
        with _opened(path) as stream:
            return _read_text(stream, path)
    except FileNotFoundError as error:
        raise InputDataError(f"{path}: no such file", next_step=f"name {_FORMATS}") from error
    except (EOFError, zlib.error, OSError) as error:
        raise InputDataError(f"{path}: truncated or damaged ({error})", next_step="fetch it again") from error


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def _header(line: bytes) -> tuple[int, int] | None:
    """(words, d) from the first line of a word2vec file, None when it is a row."""
    fields = line.removeprefix(_BOM).split()
    if len(fields) == 2 and all(field.isdigit() and len(field) < 12 for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _is_binary(start: bytes, path: Path) -> bool:
    """Text when the first row reads as numbers; else control characters decide: float bytes all but surely hold one."""
    first, _, rest = start.partition(b"\n")
    header = _header(first)
    if _is_number((rest.partition(b"\n")[0] if header else first).partition(b" ")[2].split()):
        return False
    control = next((at for at, byte in enumerate(start) if byte < 9 or 13 < byte < 32), None)
    if header is None and control is not None:
        raise InputDataError(f"{path}: no vectors (control character at byte {control})", next_step=f"name {_FORMATS}")
    return header is not None and control is not None


def _is_number(fields: list[bytes]) -> bool:
    try:
        return bool(fields) and bool([float(field) for field in fields])
    except ValueError:
        return False


# --- text -------------------------------------------------------------------------------------------------------------


def _read_text(stream: gzip.GzipFile | io.BufferedReader, path: Path) -> VectorTable:
    repairs: Counter[str] = Counter()
    lines = _lines(stream, path)
    first = next(lines, b"")
    header = _header(first)
    if first.startswith(_BOM):
        repairs["byte order mark"] = 1
        first = first.removeprefix(_BOM)
    rows = _rows(lines, first_line=2) if header else _rows(chain([first], lines), first_line=1)
    head = list(islice(rows, 2))
    width = _agreed_width(head, header, path)
    words: list[str] = []
    matrix = _GrowingMatrix(width, expected=header[0] if header else 0)
    block: list[list[float]] = []
    wrong: list[int] = []
    n_rows = 0
    for row in chain(head, rows):
        n_rows += 1
        values = _numbers(row, width, repairs)
        if values is None:
            wrong.append(row.line)
            continue
        words.append(_decoded(row.word, repairs))
        block.append(values)
        if len(block) == _ROWS_AT_ONCE:
            matrix.append(block)
            block = []
    matrix.append(block)
    if len(wrong) > _MOST_WRONG * n_rows:
        raise InputDataError(
            f"{at_line(path, wrong[0])}: not {width} numbers; {len(wrong)} of {n_rows} rows are wrong",
            next_step="mend or fetch the file again; words and numbers are separated by spaces",
        )
    if header is None:
        repairs["header missing"] = 1
    elif header[0] != n_rows:
        repairs["header counts other rows"] = 1
    if header is not None and header[1] != width:
        repairs["header names another width"] = 1
    return VectorTable(words, matrix.finished(), "word2vec text", dict(sorted(repairs.items())))


def _lines(stream: gzip.GzipFile | io.BufferedReader, path: Path) -> Iterator[bytes]:
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise InputDataError(f"{at_line(path, number)}: over {_LONGEST_LINE} bytes", next_step=f"name {_FORMATS}")
        yield line


def _rows(lines: Iterator[bytes], *, first_line: int) -> Iterator[_Row]:
    """Split at the first ASCII space: a full-width or no-break space belongs to the word. Blank lines are no rows."""
    for number, line in enumerate(lines, start=first_line):
        if line.strip():
            word, _, values = line.partition(b" ")
            yield _Row(number, word, values.split())


def _agreed_width(head: list[_Row], header: tuple[int, int] | None, path: Path) -> int:
    """Find the width that the first two rows share; one row alone must agree with the header."""
    if not head:
        raise InputDataError(f"{path}: holds no vectors", next_step=f"name {_FORMATS}")
    if not any(_is_number(row.values) for row in head):
        raise InputDataError(f"{at_line(path, head[0].line)}: no word with its numbers", next_step=f"name {_FORMATS}")
    widths = [len(row.values) for row in head]
    named = header is not None and (header[1] in widths or len(head) == 1)
    expected = header[1] if header is not None and named else widths[0]
    for row, width in zip(head, widths, strict=True):
        if width != expected:
            raise InputDataError(
                f"{at_line(path, row.line)}: {width} numbers after the word, expected {expected}",
                next_step="mend or fetch the file again; words and numbers are separated by spaces",
            )
    return expected


def _numbers(row: _Row, width: int, repairs: Counter[str]) -> list[float] | None:
    reason = "empty word" if not row.word else "wrong width" if len(row.values) != width else ""
    if not reason:
        try:
            return list(map(float, row.values))
        except ValueError:
            reason = "not a number"
    repairs[reason] += 1
    return None


def _decoded(word: bytes, repairs: Counter[str]) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        repairs["bad bytes"] += 1
        return word.decode("utf-8", "replace")


class _GrowingMatrix:
    """Rows appended in blocks to one buffer that is enlarged in place, so that no second copy is ever needed."""

    def __init__(self, width: int, *, expected: int) -> None:
        self._rows = np.empty((min(max(expected, _ROWS_AT_ONCE), 1 << 16), width), np.float32)
        self._used = 0

    def append(self, block: list[list[float]]) -> None:
        end = self._used + len(block)
        if end > len(self._rows):
            self._rows.resize((max(end, len(self._rows) * 3 // 2), self._rows.shape[1]), refcheck=False)
        if block:
            with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which the vocabulary drops
                self._rows[self._used : end] = block
        self._used = end

    def finished(self) -> Matrix:
        self._rows.resize((self._used, self._rows.shape[1]), refcheck=False)
        return self._rows


# --- binary -----------------------------------------------------------------------------------------------------------


def _read_binary(path: Path, start: bytes) -> VectorTable:
    n_words, width = _header(start.partition(b"\n")[0]) or (0, 0)
    n_bytes = path.stat().st_size
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    if packed and path.suffix != ".gz":
        raise InputDataError(f"{path}: gzip data without the ending .gz", next_step="rename it")
    if n_words < 1 or width < 1:
        raise InputDataError(f"{path}: holds no vectors (header {n_words} {width})", next_step=f"name {_FORMATS}")
    # checked before gensim sets aside the memory that the header asks for
    if n_words * (4 * width + 1) > n_bytes * (_GZIP_BEST if packed else 1):
        raise _truncated(path, n_words, width)
    from gensim.models import KeyedVectors  # slow to import, and only binary files need it

    try:
        with _quiet("gensim", "smart_open"):
            table = KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    except EOFError as error:
        raise _truncated(path, n_words, width) from error
    # where it drops duplicates, gensim leaves as many empty places at the end
    words = [str(word) for word in table.index_to_key if word is not None]
    repairs = {
        "bad bytes": sum("\ufffd" in word for word in words),
        "duplicates dropped by gensim": n_words - len(words),
    }
    if not packed and n_words == len(words):
        _refuse_trailing_rows(path, start, words, width)
    matrix = np.ascontiguousarray(table.vectors[: len(words)], dtype=np.float32)
    return VectorTable(words, matrix, "word2vec binary", {reason: count for reason, count in repairs.items() if count})


def _refuse_trailing_rows(path: Path, start: bytes, words: list[str], width: int) -> None:
    """Refuse more than the newlines with which some writers end each row: rows that the header does not count."""
    end = start.index(b"\n") + 1 + sum(len(word.encode()) + 1 for word in words) + 4 * width * len(words)
    extra = path.stat().st_size - end
    if extra > len(words):
        raise InputDataError(
            f"{path}: {extra} bytes after byte {end}, where the {len(words)} words of its header end",
            next_step="fetch it again",
        )


def _truncated(path: Path, n_words: int, width: int) -> InputDataError:
    return InputDataError(
        f"{path}: ends at byte {path.stat().st_size}, before the last of the {n_words} x {width} vectors of its header",
        next_step="fetch it again",
    )


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep libraries from writing a line for each duplicate to the terminal."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


# --- gensim KeyedVectors ----------------------------------------------------------------------------------------------


class _Stored:
    """Stands in for gensim's class: holds the attributes, runs none of its code."""

    def __init__(self, *_: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Builds arrays and one bag of attributes; any other class in the file ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "gensim.models.keyedvectors":
            return _Stored
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
            return super().find_class("numpy._core.multiarray", name)
        if (module, name) == ("_codecs", "encode"):  # bytes, as old pickles write them
            return codecs.encode
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


def _read_keyed_vectors(path: Path) -> VectorTable:
    try:
        stored = vars(_Unpickler(io.BytesIO(path.read_bytes())).load())
        words = [str(word) for word in stored.get("index_to_key") or stored.get("index2word") or []]
        matrix = stored["vectors"] if "vectors" in stored else _companion(path)
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    except InputDataError:
        raise
    except Exception as error:  # a damaged pickle can raise anything; none of it runs foreign code
        raise InputDataError(
            f"{path}: no saved gensim KeyedVectors ({error})",
            next_step="save a model's vectors with model.wv.save(PATH), or use word2vec text or binary",
        ) from error
    if not words or matrix.ndim != 2 or len(words) != len(matrix):
        raise InputDataError(
            f"{path}: {len(words)} words for vectors of shape {matrix.shape}", next_step="save the vectors again"
        )
    return VectorTable(words, matrix, "gensim KeyedVectors", {})


def _companion(path: Path) -> npt.NDArray[Any]:
    companion = path.with_name(f"{path.name}.vectors.npy")
    if not companion.is_file():
        raise InputDataError(f"{path}: {companion.name} is not beside it", next_step="copy both files of the save")
    array: npt.NDArray[Any] = np.load(companion, allow_pickle=False)
    return array

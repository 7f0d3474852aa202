"""Numbered lines of a UTF-8 file, plain or gzip: what all text formats stand on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from pipeline.contract.errors import InputDataError, MissingResourceError, at_line

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = "\ufeff"


def numbered_lines(path: Path, *, encoding: str | None = None) -> Generator[tuple[int, str], None, None]:
    r"""Yield ``(1-based number, line)`` without line ends, in constant memory.

    Lines end at ``\n`` alone, less one ``\r`` before it: U+0085, U+2028 and their like are characters of the text.
    A byte order mark at the start is dropped. Gzip is told by its first bytes, whatever the name.

    Raises MissingResourceError when the file is not there and InputDataError (``file:line``) for bytes that are not
    UTF-8 or a broken gzip file.
    """
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise _not_utf8(raw, error, where=at_line(path, number)) from error
                if number == 1:
                    line = line.removeprefix(_BOM)
                yield number, line.removesuffix("\n").removesuffix("\r")
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: no such file", next_step="check the name") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputDataError(
            f"{at_line(path, number + 1)}: broken gzip data ({error})", next_step="fetch or pack the file again"
        ) from error
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})", next_step="give a readable file") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        packed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    # buffered, because gzip's own readline is several times slower
    return io.BufferedReader(gzip.open(path, "rb")) if packed else path.open("rb")


def _not_utf8(raw: bytes, error: UnicodeDecodeError, *, where: str) -> InputDataError:
    return InputDataError(
        f"{where}: not UTF-8 (byte {error.start + 1} of the line is 0x{raw[error.start]:02x})",
        next_step="convert the file to UTF-8 (GB18030, GBK and UTF-16 files are common)",
    )

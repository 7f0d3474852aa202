"""Numbered lines and whole texts of a file, plain or gzip, in any encoding that is said; for all formats of text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.user_files import require_file, unreadable
from ssmi.pipeline.readers.decoding import (
    GZIP_MAGIC,
    LONGEST_LINE,
    NEED_A_MARK,
    BadBytes,
    byte_order_mark,
    decoded_blocks,
    decoded_lines,
)

LARGEST_WHOLE = 1 << 26
"""Bytes, unpacked, of a file that is read as one text."""

_BOM = "\ufeff"
_LIKELY = ("gb18030", "big5hkscs")
_CHUNK = 1 << 16
_RARE_NUL = 10
"""More than one NUL byte in this many: not UTF-8 text. In UTF-16 every second byte of ASCII letters is one."""


def numbered_lines(path: Path, *, encoding: str | None = None) -> Generator[tuple[int, str], None, None]:
    r"""Yield ``(number, line)`` from 1, without line ends, in constant memory.

    A line ends at ``\n``, less one ``\r`` before it; U+0085, U+2028 and their like are characters of the text. A file
    whose beginning has ``\r`` and no ``\n`` has ``\r`` line ends. Gzip is recognised by its first bytes.

    Args:
        path: The file.
        encoding: Of a file without a byte order mark; None is UTF-8. It is never guessed.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: With ``file:line``: bytes are not of the encoding, a line is over ``LONGEST_LINE`` long, UTF-16
            has neither its mark nor a byte order, or the gzip data is broken.
    """
    with closing(numbered_blocks(path, encoding=encoding)) as blocks:
        for first, lines in blocks:
            yield from enumerate(lines, first)


def numbered_blocks(path: Path, *, encoding: str | None = None) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the number of a line, and it and some that follow: those of ``numbered_lines``, as many as are read."""
    with _opened(path) as (stream, reached):
        head = _head(stream)
        codec = _codec(head, encoding, path)
        if codec == "utf-8" and head.count(0) * _RARE_NUL > len(head):
            raise _undecodable(head, head.index(0), codec, where=at_line(path, 1))
        # The head may end inside a character; what is wrong in it is reported below, with its line.
        beginning = head.decode(codec, "ignore")
        # Not by the last character: the line feed after it may just not be in the head.
        end: Literal["\n", "\r"] = "\r" if "\r" in beginning[:-1] and "\n" not in beginning else "\n"

        def refuse(bad: BadBytes) -> InputDataError:
            return _undecodable(bad.raw, bad.index, codec, where=at_line(path, bad.number))

        def too_long(number: int) -> InputDataError:
            return InputDataError(
                f"{at_line(path, number)}: a line of over {LONGEST_LINE >> 20} MiB", next_step="part it into lines"
            )

        blocks: Iterator[tuple[int, list[str]]]
        if codec == "utf-8" and end == "\n":
            blocks = decoded_blocks(stream, refuse=refuse, too_long=too_long)
        else:
            decoded = decoded_lines(stream, codec=codec, end=end, refuse=refuse, too_long=too_long)
            blocks = ((number, [text.removesuffix(end).removesuffix("\r")]) for number, text, _ in decoded)
        for number, lines in blocks:
            if number == 1:
                lines[0] = lines[0].removeprefix(_BOM)
            yield number, lines
            reached[0] = number + len(lines) - 1


def read_text(path: Path, *, encoding: str | None = None, keep_ends: bool = False) -> str:
    r"""Read the whole of a file that can only be read as one.

    Args:
        path: The file.
        encoding: As for ``numbered_lines``.
        keep_ends: Leave ``\r\n`` and lone ``\r`` as they are; else they become ``\n``.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: As ``numbered_lines`` raises it, and for more than ``LARGEST_WHOLE`` bytes.
    """
    with _opened(path) as (stream, _):
        head = _head(stream)
        # One byte more than allowed tells a file that is too long, without reading all of it.
        raw = stream.read(LARGEST_WHOLE + 1)
    if len(raw) > LARGEST_WHOLE:
        raise InputDataError(
            f"{path}: more than {LARGEST_WHOLE >> 20} MiB in a file that must be read as one",
            next_step="split it, or write it as JSON lines",
        )
    codec = _codec(head, encoding, path)
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(codec, "replace").count("\n") + 1
        raise _undecodable(raw[error.start :], None, codec, where=at_line(path, line)) from None
    text = text.removeprefix(_BOM)
    return text if keep_ends else text.replace("\r\n", "\n").replace("\r", "\n")


def text_pieces(path: Path, *, encoding: str | None = None) -> Generator[str, None, None]:
    """Yield a file's text in pieces of steady size, for what may hold the whole of it on one line.

    Raises what ``numbered_lines`` raises.
    """
    with _opened(path) as (stream, reached):
        codec = _codec(_head(stream), encoding, path)
        decoder = codecs.getincrementaldecoder(codec)()
        raw, first = b"\0", True
        while raw:
            raw = stream.read(_CHUNK)
            try:
                piece = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(codec, "ignore")
                where = at_line(path, reached[0] + good.count("\n") + 1)
                raise _undecodable(error.object[error.start :], None, codec, where=where) from None
            yield piece.removeprefix(_BOM) if first else piece
            first = False
            reached[0] += piece.count("\n")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedReader[Any], list[int]]]:
    """The bytes of a file, unpacked; the caller keeps in the list how many lines it has read, for errors."""
    reached = [0]
    require_file(path)
    try:
        with path.open("rb") as plain:
            packed = plain.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        # buffered, because gzip's readline is several times slower
        with io.BufferedReader(gzip.open(path, "rb")) if packed else path.open("rb") as stream:
            yield stream, reached
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputDataError(
            f"{at_line(path, reached[0] + 1)}: broken gzip data ({error})", next_step="fetch or pack the file again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _head(stream: io.BufferedReader[Any]) -> bytes:
    try:
        head = stream.read(_CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        head = b""  # raised again while lines are read, with its line
    stream.seek(0)
    return head


def _codec(head: bytes, said: str | None, path: Path) -> str:
    _, marked = byte_order_mark(head)
    if marked is not None:
        return marked
    codec = codecs.lookup(said).name if said else "utf-8"
    if codec in NEED_A_MARK and head:
        raise InputDataError(
            f"{path}: no byte order mark, so it does not say which {codec}",
            next_step=f"say {codec}-le (as Windows writes it) or {codec}-be, in dataset.yaml or with --encoding",
        )
    return codec


def _undecodable(raw: bytes, index: int | None, codec: str, *, where: str) -> InputDataError:
    """Say what the bytes are not, and which encoding they may be; ``place`` is where in the line they are wrong."""
    wrong = raw[index or 0]
    at = f"byte {index + 1} of the line is 0x{wrong:02x}" if index is not None else f"byte 0x{wrong:02x}"
    line = raw.partition(b"\n")[0].rstrip(b"\r")
    likely = [name for name in _LIKELY if name != codec and b"\0" not in line and _decodes(line, name)]
    readings = " and ".join(f"as {name.upper()} {line.decode(name)[:20]!r}" for name in likely)
    shown = f"; the line reads {readings}" if likely else ""
    named = likely[0] if likely else "utf-16-le" if b"\0" in line else "gb18030"
    for_iconv = named.upper().replace("UTF-16-", "UTF-16")
    return InputDataError(
        f"{where}: not {codec.upper()} ({at}){shown}",
        next_step=f"if that is its encoding, write `encoding: {named}` into dataset.yaml beside the file (GB18030 "
        f"reads GBK too), say --encoding {named} to `data convert`, or convert it: iconv -f {for_iconv} -t UTF-8",
    )


def _decodes(line: bytes, codec: str) -> bool:
    try:
        return line.decode(codec).isprintable()
    except UnicodeDecodeError:
        return False

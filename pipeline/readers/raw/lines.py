"""Read lines or the whole text of a file, plain or gzip, in a given encoding; used by all text formats."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.encodings import likely_readings
from ssmi.pipeline.contract.user_files import require_file, unreadable
from ssmi.pipeline.readers.documents import refuse_binary
from ssmi.pipeline.readers.raw.decoding import (
    GZIP_MAGIC,
    LONGEST_LINE,
    NEED_A_MARK,
    BadBytes,
    byte_order_mark,
    decoded_blocks,
    decoded_lines,
    own_line_end,
)

LARGEST_WHOLE = 1 << 26
"""Maximum unpacked size in bytes of a file that is read whole."""

_BOM = "\ufeff"
_BROKEN = (gzip.BadGzipFile, EOFError, zlib.error)
"""What reading damaged gzip data raises."""
_CHUNK = 1 << 16
_RARE_NUL = 10
"""With more than one NUL byte in this many bytes, a file is not UTF-8. In UTF-16, half the bytes of ASCII are NUL."""


class EncodingError(InputDataError):
    """Bytes of a file do not have its encoding."""


def numbered_lines(
    path: Path, *, encoding: str | None = None, keep_ends: bool = False
) -> Generator[tuple[int, str], None, None]:
    """Yield each line as ``(number, line)``, numbered from 1, in constant memory.

    Lines end as ``raw.decoding`` says. Gzip is recognised by its first bytes.

    Args:
        path: The file.
        encoding: Encoding of a file without a byte order mark; None means UTF-8. It is never guessed.
        keep_ends: Whether the lines keep their line ends, as they stand in the file.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: With ``file:line``: bytes do not have the encoding, a line is longer than ``LONGEST_LINE``,
            UTF-16 has neither a byte order mark nor a named byte order, or the gzip data is broken.
    """
    with closing(numbered_blocks(path, encoding=encoding, keep_ends=keep_ends)) as blocks:
        for first, lines in blocks:
            yield from enumerate(lines, first)


def numbered_blocks(
    path: Path, *, encoding: str | None = None, keep_ends: bool = False
) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the lines of ``numbered_lines`` in blocks: the number of the first line, and the lines of the block."""
    with _opened(path) as (stream, reached):
        head = _head(stream)
        codec = _codec(head, encoding, path)
        if codec == "utf-8" and head.count(0) * _RARE_NUL > len(head):
            raise _undecodable(head, f"byte {head.index(0) + 1} is 0x00", codec, where=at_line(path, 1))
        end = _line_end(stream, codec)

        def refuse(bad: BadBytes) -> InputDataError:
            return _undecodable(bad.raw, bad.fault, codec, where=at_line(path, bad.number))

        def too_long(number: int) -> InputDataError:
            return InputDataError(
                f"{at_line(path, number)}: a line is longer than {LONGEST_LINE >> 20} MiB",
                next_step="split it into shorter lines",
            )

        blocks: Iterator[tuple[int, list[str]]]
        if codec == "utf-8" and end == "\n":
            blocks = decoded_blocks(stream, refuse=refuse, too_long=too_long, keep_ends=keep_ends)
        else:
            decoded = decoded_lines(stream, codec=codec, end=end, refuse=refuse, too_long=too_long)
            blocks = ((line.number, [line.text.removesuffix("" if keep_ends else line.end)]) for line in decoded)
        for number, lines in blocks:
            if number == 1:
                lines[0] = lines[0].removeprefix(_BOM)
            yield number, lines
            reached[0] = number + len(lines) - 1


def read_text(path: Path, *, encoding: str | None = None, keep_ends: bool = False) -> str:
    r"""Read the whole text of a file.

    Args:
        path: The file.
        encoding: As for ``numbered_lines``.
        keep_ends: Whether to keep ``\r\n`` and lone ``\r``; otherwise they become ``\n``.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: As in ``numbered_lines``, and for more than ``LARGEST_WHOLE`` bytes.
    """
    with _opened(path) as (stream, _):
        head = _head(stream)
        # One byte more than allowed detects a file that is too large without reading all of it.
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
        raise _undecodable(
            raw[error.start :], f"byte 0x{raw[error.start]:02x}", codec, where=at_line(path, line)
        ) from None
    text = text.removeprefix(_BOM)
    return text if keep_ends else text.replace("\r\n", "\n").replace("\r", "\n")


def text_pieces(path: Path, *, encoding: str | None = None) -> Generator[str, None, None]:
    """Yield the text of a file in pieces of bounded size, for files that may have their whole text on one line.

    Raises the same errors as ``numbered_lines``, except for long lines.
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
                wrong = error.object[error.start :]
                raise _undecodable(wrong, f"byte 0x{wrong[0]:02x}", codec, where=where) from None
            yield piece.removeprefix(_BOM) if first else piece
            first = False
            reached[0] += piece.count("\n")


def stray_return(where: str) -> InputDataError:
    """Make the error for a row with a carriage return inside, where two rows have become one."""
    return InputDataError(
        f"{where}: a carriage return (CR) inside the line, in a file whose lines end in line feeds (LF)",
        next_step="end every line in the same way, with LF or CRLF",
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedReader[Any], list[int]]]:
    """Open a file and unpack it; yield its stream, and a list in which the caller keeps the number of lines read.

    The number is used in error messages.
    """
    reached = [0]
    require_file(path)
    try:
        with path.open("rb") as plain:
            packed = plain.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        # Buffered, because gzip's own readline is several times slower.
        with io.BufferedReader(gzip.open(path, "rb")) if packed else path.open("rb") as stream:
            yield stream, reached
    except _BROKEN as error:
        raise InputDataError(
            f"{at_line(path, reached[0] + 1)}: broken gzip data ({error})", next_step="fetch or pack the file again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _head(stream: io.BufferedReader[Any]) -> bytes:
    head = b""
    with suppress(*_BROKEN):  # raised again while lines are read, with the line number
        head = stream.read(_CHUNK)
    stream.seek(0)
    return head


def _line_end(stream: io.BufferedReader[Any], codec: str) -> Literal["\n", "\r"]:
    end: Literal["\n", "\r"] = "\n"
    with suppress(*_BROKEN):
        end = own_line_end(stream, codec)
    stream.seek(0)
    return end


def _codec(head: bytes, said: str | None, path: Path) -> str:
    _, marked = byte_order_mark(head)
    if marked is not None:
        return marked
    refuse_binary(head, path)
    codec = codecs.lookup(said).name if said else "utf-8"
    if codec in NEED_A_MARK and head:
        raise InputDataError(
            f"{path}: no byte order mark, so it does not say which {codec}",
            next_step=f"say {codec}-le (as Windows writes it) or {codec}-be, in dataset.yaml or with --encoding",
        )
    return codec


def _undecodable(raw: bytes, fault: str, codec: str, *, where: str) -> EncodingError:
    """Make the error for bytes that do not have the encoding, which suggests encodings that the line may have.

    ``raw`` is the line, or the rest of it from the first wrong byte on; ``fault`` says which byte is wrong.
    """
    likely, shown = likely_readings(raw, but=codec)
    named = likely[0] if likely else "utf-16-le" if b"\0" in raw.partition(b"\n")[0] else "gb18030"
    for_iconv = named.upper().replace("UTF-16-", "UTF-16")
    return EncodingError(
        f"{where}: not {codec.upper()} ({fault}){shown}",
        next_step=f"if {'that' if likely else named.upper()} is its encoding, write `encoding: {named}` into "
        f"dataset.yaml beside the file (GB18030 reads GBK too), say --encoding {named} to `data convert`, or convert "
        f"it: iconv -f {for_iconv} -t UTF-8",
    )

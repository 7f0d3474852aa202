r"""Decode bytes into lines in any encoding, a piece at a time: for files of data sets and for texts to be tagged.

A line ends at ``\n`` or ``\r\n``, or at ``\r`` in a text without ``\n`` (``own_line_end``); a ``\r`` at the very end of
any text ends its last line. Lines end nowhere else: U+0085, U+2028 and similar belong to the text. Opening files,
choosing the encoding and wording errors are left to the callers.
"""

from __future__ import annotations

import codecs
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NamedTuple

from ssmi.pipeline.contract.text.encodings import wrong_byte

GZIP_MAGIC = b"\x1f\x8b"
NEED_A_MARK = ("utf-16", "utf-32")
"""Encodings without a byte order: Python would assume the machine's byte order, or fail."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHUNK = 1 << 16
_BLOCK = io.DEFAULT_BUFFER_SIZE
"""The size that a buffered stream reads for a line, so that exactly as much of a broken file is read."""
LONGEST_LINE = 1 << 24
"""Maximum number of bytes of a line. A packed file of a few kilobytes may hold a line that exceeds any memory."""


class Line(NamedTuple):
    """One line of a stream."""

    number: int
    """Number of the line, from 1."""
    text: str
    """The line with its line end."""
    n_bytes: int
    end: str
    r"""The line end: ``\n``, ``\r\n`` or ``\r``; empty for a last line without one."""
    n_replaced: int = 0
    """Number of U+FFFD in place of bytes that do not have the encoding."""


@dataclass(frozen=True, slots=True)
class BadBytes:
    """The location of bytes that do not have the encoding."""

    number: int
    """Number of the line, from 1."""
    raw: bytes
    """The whole line."""
    index: int
    """Offset of the first wrong byte in ``raw``."""
    reason: str

    @property
    def fault(self) -> str:
        """Which byte is wrong, and why."""
        return wrong_byte(self.raw, self.index, self.reason)


def byte_order_mark(head: bytes) -> tuple[bytes, str | None]:
    """Return the byte order mark at the start of a stream and its encoding; ``(b"", None)`` without a mark."""
    return next(((mark, codec) for mark, codec in _MARKS if head.startswith(mark)), (b"", None))


def decoded_lines(
    stream: BinaryIO,
    *,
    codec: str,
    mark: bytes = b"",
    end: Literal["\n", "\r"] | None = None,
    errors: Literal["strict", "replace"] = "strict",
    refuse: Callable[[BadBytes], Exception],
    too_long: Callable[[int], Exception],
) -> Iterator[Line]:
    r"""Decode a stream line by line, holding no more than a line of at most ``LONGEST_LINE`` bytes in memory.

    Args:
        stream: The stream, at its start.
        codec: An encoding allowed by ``contract.text.encodings.text_encoding``, with its byte order.
        mark: The byte order mark, which is left out.
        end: The character that ends a line, if ``own_line_end`` has found it before; None to find it here.
        errors: Error handling; ``replace`` replaces bytes that do not have the encoding by U+FFFD.
        refuse: Makes the exception for bytes that do not have the encoding.
        too_long: Makes the exception for a line over ``LONGEST_LINE``, given its number.

    Yields:
        The lines. A stream of only a byte order mark has no lines.
    """
    raw_lines = _raw_lines(stream, end.encode(codec)) if end else _lines_of_own_end(stream, codec)
    for number, raw in enumerate(raw_lines, start=1):
        if len(raw) > LONGEST_LINE:
            raise too_long(number)
        start = len(mark) if number == 1 else 0
        n_replaced = 0
        try:
            text = raw[start:].decode(codec)
        except UnicodeDecodeError as error:
            if errors == "strict":
                raise refuse(BadBytes(number, raw, start + error.start, error.reason)) from None
            text = raw[start:].decode(codec, errors)
            n_replaced = text.count("\ufffd") - raw[start:].decode(codec, "ignore").count("\ufffd")
        if text or not start:
            yield Line(number, text, len(raw), _end_of(text), n_replaced)


def decoded_blocks(
    stream: io.BufferedReader[Any] | io.BytesIO,
    *,
    refuse: Callable[[BadBytes], Exception],
    too_long: Callable[[int], Exception],
    keep_ends: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    r"""Decode a UTF-8 stream many lines at once; equivalent to ``decoded_lines`` but much faster.

    Args:
        stream: The stream, at its start.
        refuse: As for ``decoded_lines``.
        too_long: As for ``decoded_lines``.
        keep_ends: Whether the lines keep their ``\n`` or ``\r\n``.

    Yields:
        The number of a block's first line, and the lines of the block. A byte order mark remains in the first line. All
        lines before a refused line are yielded.
    """
    split = _with_ends if keep_ends else _without_ends
    number = 1
    for raw in _whole_lines(stream):
        # Only the first line of a block may have begun in an earlier chunk.
        if (raw.find(b"\n") + 1 or len(raw)) > LONGEST_LINE:
            raise too_long(number)
        try:
            lines = split(raw.decode())
        except UnicodeDecodeError as error:
            start = raw.rfind(b"\n", 0, error.start) + 1
            end = raw.find(b"\n", error.start) + 1 or len(raw)
            if start:
                yield number, split(raw[:start].decode())
            number += raw.count(b"\n", 0, start)
            raise refuse(BadBytes(number, raw[start:end], error.start - start, error.reason)) from None
        yield number, lines
        number += len(lines)


def _whole_lines(stream: io.BufferedReader[Any] | io.BytesIO) -> Iterator[bytes]:
    """Yield whole lines, some at a time, with their ends; stop just over ``LONGEST_LINE`` bytes into a longer line."""
    begun: list[bytes] = []
    length = 0
    # ``read1``, because ``read`` would lose data already read where packed data is truncated.
    while chunk := stream.read1(_BLOCK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((*begun, chunk[:end]))
            begun, length = [], 0
        begun.append(chunk[end:])
        length += len(chunk) - end
        if length > LONGEST_LINE:
            break
    if length:
        yield b"".join(begun)


def _with_ends(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _without_ends(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1]:
        lines[-1] = lines[-1].removesuffix("\r")  # the stream's last line may have no line feed
    else:
        lines.pop()
    return lines


def _end_of(line: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if line.endswith(end)), "")


def own_line_end(stream: BinaryIO, codec: str) -> Literal["\n", "\r"]:
    r"""Return the character that ends the lines of a stream.

    It is ``\r`` if the stream, or the first ``LONGEST_LINE`` bytes of it, has ``\r`` and no ``\n``, otherwise ``\n``.

    Args:
        stream: The stream, at its start; its first line is read, or just over ``LONGEST_LINE`` bytes.
        codec: As for ``decoded_lines``.
    """
    return _line_end_after(next(_raw_lines(stream, "\n".encode(codec)), b""), codec)


def _line_end_after(first: bytes, codec: str) -> Literal["\n", "\r"]:
    """Return the character that ends lines, given the stream up to its first line feed."""
    text = "" if first.endswith("\n".encode(codec)) else first.decode(codec, "ignore")
    # Of a longer line the last character does not count, because a line feed may come after it.
    return "\r" if "\r" in (text[:-1] if len(first) > LONGEST_LINE else text) else "\n"


def _lines_of_own_end(stream: BinaryIO, codec: str) -> Iterator[bytes]:
    """Yield the lines of a stream as bytes; one line is read first, so that a line from a pipe is not held back."""
    lines = _raw_lines(stream, "\n".encode(codec))
    first = next(lines, b"")
    if _line_end_after(first, codec) == "\r":
        yield from _split(stream, "\r".encode(codec), begun=first)
    elif first:
        yield first
        yield from lines


def _raw_lines(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Yield lines as bytes, with their ends; only just over ``LONGEST_LINE`` bytes of a longer line are read.

    Lines that end at a line feed are yielded as they arrive, so that a line from a pipe is not held back.
    """
    if end == b"\n":
        while line := stream.readline(LONGEST_LINE + 1):
            yield line
    elif b"\n" in end:
        yield from _wide_lines(stream, end)
    else:
        yield from _split(stream, end)


def _wide_lines(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Yield lines of UTF-16 or UTF-32, in which the byte of a line feed also occurs in other characters."""
    width = len(end)
    n_after = width - 1 - end.index(b"\n")
    pieces: list[bytes] = []  # joined once, because other characters may contain many line feed bytes
    length = 0
    while piece := stream.readline(LONGEST_LINE + 1):
        if n_after and piece.endswith(b"\n") and (length + len(piece)) % width == 1:
            piece += stream.read(n_after)
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST_LINE or (length % width == 0 and b"".join(pieces[-width:]).endswith(end)):
            yield b"".join(pieces)
            pieces, length = [], 0
    if pieces:
        yield b"".join(pieces)


def _split(stream: BinaryIO, end: bytes, *, begun: bytes = b"") -> Iterator[bytes]:
    """Yield lines with any other end, cut only at whole characters; ``begun`` was read from the stream before."""
    buffer, searched = b"", 0
    for chunk in itertools.chain([begun], iter(lambda: stream.read(_CHUNK), b"")):
        buffer += chunk
        start = 0
        while (at := buffer.find(end, searched)) >= 0:
            searched = at + 1
            if (at - start) % len(end) == 0:
                searched = at + len(end)
                yield buffer[start:searched]
                start = searched
        buffer = buffer[start:]
        if len(buffer) > LONGEST_LINE:
            break
        # A line end may span two chunks, so the last bytes are searched again.
        searched = max(0, len(buffer) - len(end) + 1)
    if buffer:
        yield buffer

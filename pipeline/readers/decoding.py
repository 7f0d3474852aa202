r"""Bytes → lines of any encoding: the one implementation, for files of data sets and for texts to be tagged alike.

A line ends at ``\n`` (or at ``\r``, where the caller says so) and nowhere else: U+0085, U+2028 and their like are
characters of the text. Nothing here opens a file, chooses an encoding or words an error: callers do.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NamedTuple

GZIP_MAGIC = b"\x1f\x8b"
NEED_A_MARK = ("utf-16", "utf-32")
"""Encodings that do not say their byte order: Python would take the machine's, or stop."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHUNK = 1 << 16
_BLOCK = io.DEFAULT_BUFFER_SIZE
"""What a buffered stream reads by itself for a line, so that of a broken file just as much is read."""
LONGEST_LINE = 1 << 24
"""Bytes of a line. A packed file of a few kilobytes may hold one that no memory does."""


class Line(NamedTuple):
    """One line of a stream."""

    number: int
    """From 1."""
    text: str
    """With its line end."""
    n_bytes: int


@dataclass(frozen=True, slots=True)
class BadBytes:
    """Where a line is not of its encoding."""

    number: int
    """Number of the line, from 1."""
    raw: bytes
    """The whole line."""
    index: int
    """Offset of the first wrong byte in ``raw``."""
    offset: int
    """Offset of that byte in the stream."""
    reason: str


def byte_order_mark(head: bytes) -> tuple[bytes, str | None]:
    """The byte order mark that a stream begins with, and the encoding that it names; ``(b"", None)`` without one."""
    return next(((mark, codec) for mark, codec in _MARKS if head.startswith(mark)), (b"", None))


def decoded_lines(
    stream: BinaryIO,
    *,
    codec: str,
    mark: bytes = b"",
    end: Literal["\n", "\r"] = "\n",
    errors: Literal["strict", "replace"] = "strict",
    refuse: Callable[[BadBytes], Exception],
    too_long: Callable[[int], Exception],
) -> Iterator[Line]:
    """Decode a stream line by line, in constant memory but for the longest line, which has ``LONGEST_LINE`` bytes.

    Args:
        stream: At its start.
        codec: An encoding that ``contract.encodings.text_encoding`` allows, with its byte order.
        mark: The byte order mark, which is left out.
        end: What ends a line.
        errors: ``replace`` puts U+FFFD where bytes are not of the encoding.
        refuse: Makes the exception for bytes that are not of the encoding.
        too_long: Makes the exception for a line over ``LONGEST_LINE`` of this number.

    Yields:
        The lines. A stream of nothing but a byte order mark has none.
    """
    offset = 0
    for number, raw in enumerate(_raw_lines(stream, end.encode(codec)), start=1):
        if len(raw) > LONGEST_LINE:
            raise too_long(number)
        start = len(mark) if number == 1 else 0
        try:
            text = raw[start:].decode(codec, errors)
        except UnicodeDecodeError as error:
            index = start + error.start
            raise refuse(BadBytes(number, raw, index, offset + index, error.reason)) from None
        offset += len(raw)
        if text or not start:
            yield Line(number, text, len(raw))


def decoded_blocks(
    stream: io.BufferedReader[Any] | io.BytesIO,
    *,
    refuse: Callable[[BadBytes], Exception],
    too_long: Callable[[int], Exception],
) -> Iterator[tuple[int, list[str]]]:
    r"""Decode a stream of UTF-8 many lines at once: what ``decoded_lines`` tells, at a small part of the time.

    Args:
        stream: At its start.
        refuse: As ``decoded_lines`` takes it.
        too_long: As ``decoded_lines`` takes it.

    Yields:
        The number of a line, and it and some that follow, each without its ``\n`` or ``\r\n``. A byte order mark
        stays in the first line. All lines before one that is refused are given.
    """
    number, offset = 1, 0
    for raw in _whole_lines(stream):
        # Only the first line of a block may have begun before it.
        if (raw.find(b"\n") + 1 or len(raw)) > LONGEST_LINE:
            raise too_long(number)
        try:
            lines = _without_ends(raw.decode())
        except UnicodeDecodeError as error:
            start = raw.rfind(b"\n", 0, error.start) + 1
            end = raw.find(b"\n", error.start) + 1 or len(raw)
            if start:
                yield number, _without_ends(raw[:start].decode())
            number += raw.count(b"\n", 0, start)
            bad = BadBytes(number, raw[start:end], error.start - start, offset + error.start, error.reason)
            raise refuse(bad) from None
        yield number, lines
        number += len(lines)
        offset += len(raw)


def _whole_lines(stream: io.BufferedReader[Any] | io.BytesIO) -> Iterator[bytes]:
    """Some lines at a time, with their ends; of one over ``LONGEST_LINE`` no more than tells so."""
    begun: list[bytes] = []
    length = 0
    # Not read: where packed data break off, it would lose what was read before.
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


def _without_ends(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1]:
        lines[-1] = lines[-1].removesuffix("\r")  # the stream's last line may have no line feed
    else:
        lines.pop()
    return lines


def _raw_lines(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Lines as bytes, with their ends; of one over ``LONGEST_LINE`` no more than tells so.

    Line feeds are read as they come, so that a pipe's line is not held back.
    """
    if end == b"\n":
        while line := stream.readline(LONGEST_LINE + 1):
            yield line
    elif b"\n" in end:
        yield from _wide_lines(stream, end)
    else:
        yield from _split(stream, end)


def _wide_lines(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Lines of UTF-16 or UTF-32, where the byte of a line feed is also a part of other characters."""
    width = len(end)
    n_after = width - 1 - end.index(b"\n")
    pieces: list[bytes] = []  # joined once: other characters may hold many bytes of line feeds
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


def _split(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Lines with any other end, cut at whole characters only."""
    buffer, searched = b"", 0
    while chunk := stream.read(_CHUNK):
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
        # A line's end may lie across two chunks, so its first bytes are searched again.
        searched = max(0, len(buffer) - len(end) + 1)
    if buffer:
        yield buffer

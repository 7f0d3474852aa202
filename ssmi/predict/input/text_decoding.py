r"""Bytes given by the user to lines of text: their encoding, and whether they are text at all.

The encoding is the one given, else that of the byte order mark, else UTF-8; it is never guessed. Lines end at ``\n`` or
``\r\n``, or at ``\r`` in a text without ``\n``; other line separators, such as U+2028, may occur inside a text.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from ssmi.pipeline.contract.errors import InputDataError, ParameterError, at_line
from ssmi.pipeline.contract.text.encodings import likely_readings, text_encoding
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.documents import refuse_binary
from ssmi.pipeline.readers.raw.decoding import (
    GZIP_MAGIC,
    LONGEST_LINE,
    NEED_A_MARK,
    BadBytes,
    Line,
    byte_order_mark,
    decoded_lines,
)

Errors = Literal["strict", "replace"]
Advance = Callable[[int], None]
Note = Callable[[str], object]

UTF8 = "utf-8"
HEAD = 1 << 12
"""Number of bytes examined before anything is read."""
_MIN_BYTES_PER_NUL = 16
"""At most one byte in this many may be NUL: text may contain a few, other files contain more."""


def check_encoding(name: str) -> str:
    """Python's name of an encoding in which line ends can be recognised.

    Raises ParameterError if the encoding is unknown or not a text encoding.
    """
    encoding = text_encoding(name)
    if encoding is None:
        raise ParameterError(
            f"encoding {name!r}: unknown, or not a text encoding", next_step="for example utf-8, gb18030, utf-16"
        )
    return encoding


class Source:
    """A stream of text whose beginning was examined; gzip is unpacked.

    Args:
        stream: The bytes.
        name: Name of the stream in errors.
        encoding: Encoding given by the user, if any.
        advance: Called with the number of bytes read from the stream.

    Raises:
        InputDataError: The stream is not text, or is in another encoding than the one given.
    """

    def __init__(
        self, stream: BinaryIO, *, name: str, encoding: str | None = None, advance: Advance | None = None
    ) -> None:
        self.name = name
        self._advance = advance
        self._stream = _peekable(stream)
        if self._stream.peek(HEAD)[:2] == GZIP_MAGIC:
            self._stream = gzip.GzipFile(fileobj=_CountingReader(self._stream, advance))  # type: ignore[call-overload]  # it reads
            # Packed bytes are reported, because the total is the size of the file.
            self._advance = None
        try:
            self.head: bytes = self._stream.peek(HEAD)[:HEAD]
        except (OSError, EOFError, zlib.error) as error:
            raise _broken_gzip(name, error) from None
        self._mark = b""
        self.encoding = self._choose(encoding)
        self._refuse_what_is_no_text()

    def _choose(self, said: str | None) -> str:
        mark, marked = byte_order_mark(self.head)
        said = None if said is None else check_encoding(said)
        if said in NEED_A_MARK and marked is None:
            raise InputDataError(
                f"{self.name}: no byte order mark, so it does not say which {said}",
                next_step=f"name the encoding {said}-le (as Windows writes it) or {said}-be",
            )
        # utf-16 does not contradict a mark: the mark gives the byte order.
        if marked and said and said != marked and not (said in NEED_A_MARK and marked.startswith(said)):
            raise InputDataError(
                f"{self.name}: begins with the byte order mark of {marked}, not {said}",
                next_step=f"leave the encoding out, or name {marked}",
            )
        self._mark = mark
        return marked or said or UTF8

    def _refuse_what_is_no_text(self) -> None:
        if not self._mark:
            refuse_binary(self.head, self.name)
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        # In a short file two NULs prove nothing.
        if not wide and self.head.count(0) * _MIN_BYTES_PER_NUL > max(len(self.head), 2 * _MIN_BYTES_PER_NUL):
            raise InputDataError(
                f"{self.name}: full of NUL bytes, not text in {self.encoding}",
                next_step="if it is text in UTF-16, say --encoding utf-16-le or utf-16-be",
            )

    def beginning(self) -> str:
        """The first characters of the file that can be decoded."""
        return self.head.removeprefix(self._mark).decode(self.encoding, "ignore")

    def beginning_lines(self) -> list[str]:
        """The first lines of the file, without a last line that is cut off."""
        beginning = self.beginning()
        lines = beginning.split("\n" if "\n" in beginning else "\r")
        whole = lines if len(self.head) < HEAD else lines[:-1]
        return [line.removesuffix("\r") for line in whole]

    def lines(self, errors: Errors = "strict", *, note: Note = lambda message: None) -> Iterator[Line]:
        """Yield the lines. Raises InputDataError with ``file:line`` and the offset of an invalid byte.

        note: Called after the last line with the number of characters that were replaced, if any.
        """
        n_replaced = 0
        try:
            for line in decoded_lines(
                self._stream,
                codec=self.encoding,
                mark=self._mark,
                errors=errors,
                refuse=self._undecodable,
                too_long=self._too_long,
            ):
                if self._advance is not None:
                    self._advance(line.n_bytes)
                n_replaced += line.n_replaced
                yield line
        except (OSError, EOFError, zlib.error) as error:
            if not isinstance(self._stream, gzip.GzipFile):
                raise
            raise _broken_gzip(self.name, error) from None
        if n_replaced:
            note(
                f"{self.name}: {counted(n_replaced, 'character')} read as U+FFFD, for bytes that are not "
                f"{self.encoding.upper()}; if many are, the text has another encoding"
            )

    def _undecodable(self, bad: BadBytes) -> InputDataError:
        likely, shown = likely_readings(bad.raw, but=self.encoding)
        named = f"{likely[0]}, if that is it" if likely else "gb18030, utf-16 ..."
        return InputDataError(
            f"{at_line(self.name, bad.number)}: not {self.encoding.upper()} ({bad.fault}){shown}",
            next_step=f"say which it is with --encoding ({named}), convert the file to UTF-8,"
            " or go on with --errors replace (U+FFFD in its place)",
        )

    def _too_long(self, number: int) -> InputDataError:
        return InputDataError(
            f"{at_line(self.name, number)}: a line is longer than {LONGEST_LINE >> 20} MiB",
            next_step="split it into shorter lines",
        )


class _CountingReader:
    """A stream that reports the number of bytes read from it."""

    def __init__(self, stream: Any, advance: Advance | None) -> None:
        self._stream = stream
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._stream.read(size)
        if self._advance is not None:
            self._advance(len(block))
        return block


def _peekable(stream: BinaryIO) -> Any:
    return stream if hasattr(stream, "peek") else io.BufferedReader(stream)


def _broken_gzip(name: str, error: Exception) -> InputDataError:
    return InputDataError(f"{name}: damaged or incomplete gzip file ({error})", next_step="copy it again")

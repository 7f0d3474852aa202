"""Detect the format of a vector file from its first bytes."""

from __future__ import annotations

from typing import Literal

Format = Literal["text", "binary", "pickle", "fasttext"]

START = 1 << 16
"""Number of bytes examined."""

_ROWS_ASKED = 6
BOM = b"\xef\xbb\xbf"
_FASTTEXT = (793712314).to_bytes(4, "little")


def format_of(start: bytes) -> Format | None:
    """Return the format of a file that begins with ``start``, or None if it is none of them.

    A file is text if its first row reads as numbers. Otherwise it is binary if it contains control characters, which
    the bytes of floats almost certainly do.
    """
    if start.startswith(_FASTTEXT):
        return "fasttext"
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    first, _, rest = start.partition(b"\n")
    header = header_of(first)
    fields = (rest.partition(b"\n")[0] if header else first).split()
    if len(fields) > 1 and trailing_numbers(fields) == len(fields) - 1:
        return "text"
    if any(byte < 9 or 13 < byte < 32 for byte in start):
        return "binary" if header else None
    return "text" if start else None


def holds_vectors(start: bytes) -> bool:
    """Whether a member of an archive may hold vectors: text without rows of numbers, such as a README, does not."""
    format_name = format_of(start)
    if format_name != "text":
        return format_name is not None
    rows = [line.split() for line in start.split(b"\n")[:_ROWS_ASKED] if line.strip() and not header_of(line)]
    return 2 * sum(trailing_numbers(row) > 1 for row in rows) > len(rows)


def header_of(line: bytes) -> tuple[int, int] | None:
    """Return (words, width) from the first line of a word2vec file; None if the line is not a header."""
    fields = line.removeprefix(BOM).split()
    if len(fields) == 2 and all(field.isdigit() and len(field) < 12 for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def trailing_numbers(fields: list[bytes]) -> int:
    """Count the numbers at the end of a row; the first field is the word, even if it looks like a number."""
    for count, field in enumerate(reversed(fields[1:])):
        if not is_number(field):
            return count
    return max(0, len(fields) - 1)


def is_number(field: bytes) -> bool:
    """Whether Python parses the field as a float."""
    try:
        float(field)
    except ValueError:
        return False
    return True

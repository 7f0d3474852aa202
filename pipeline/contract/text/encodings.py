"""Which of Python's codecs are encodings of text files, what none of them can hold, and where bytes are not UTF-8."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ssmi.pipeline.contract.errors import at_line

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = b"\\u4e00 xn--fiqs8s\n"
"""Plain ASCII; codecs of escapes (raw_unicode_escape, idna) decode it to fewer characters."""
_LIKELY = ("gb18030", "big5hkscs")
"""Encodings in which Chinese text that is not in Unicode usually is."""
_SHOWN_CHARACTERS = 20


def text_encoding(name: str) -> str | None:
    """Return Python's name of an encoding that can be read by lines, without ``-sig``; None for any other codec.

    Codecs of bytes (hex, base64, zip), of text to text (rot13) and of escapes (unicode_escape, raw_unicode_escape,
    idna, punycode) are refused, and so is EBCDIC, whose line end is another byte.
    """
    try:
        # Without -sig, since readers look for byte order marks themselves.
        codec = codecs.lookup(name).name.removesuffix("-sig")
        # A line end has several bytes in these; the test below would refuse them, but line readers handle them.
        if codec.startswith(("utf-16", "utf-32")):
            return codec
        plain = "\n".encode(codec) == b"\n"  # unlike codecs.lookup this refuses codecs of bytes
        read = _ESCAPES.decode(codec, "replace")
    except (LookupError, UnicodeError, ValueError):
        return None
    return codec if plain and read.endswith("\n") and len(read) == len(_ESCAPES) else None


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and no file, trie or tokenizer takes, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def wrong_byte(line: bytes, index: int, reason: str) -> str:
    """Say which byte of a line is wrong and why; bytes are counted from 1, as lines and columns are."""
    return f"byte {index + 1} of the line is 0x{line[index]:02x}: {reason}"


def likely_readings(raw: bytes, *, but: str) -> tuple[list[str], str]:
    """Return the encodings that a line may have, and what it would read as, to follow a message about the line.

    Args:
        raw: The line, or the rest of it from the first wrong byte on.
        but: The encoding that it does not have.

    Returns:
        The encodings, and a text such as ``; the line reads as GB18030 '王 B-PER'``; empty without such an encoding.
    """
    line = raw.partition(b"\n")[0].rstrip(b"\r")
    likely = [name for name in _LIKELY if name != but and b"\0" not in line and _decodes(line, name)]
    readings = " and ".join(f"as {name.upper()} {line.decode(name)[:_SHOWN_CHARACTERS]!r}" for name in likely)
    return likely, f"; the line reads {readings}" if likely else ""


def _decodes(line: bytes, codec: str) -> bool:
    try:
        return line.decode(codec).isprintable()
    except UnicodeDecodeError:
        return False


def not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    """Say where a file that was decoded as a whole is not UTF-8: ``params.yaml:3: not UTF-8 (byte 5 of ...)``."""
    start = error.object.rfind(b"\n", 0, error.start) + 1
    place = at_line(path, error.object.count(b"\n", 0, start) + 1)
    return f"{place}: not UTF-8 ({wrong_byte(error.object[start:], error.start - start, error.reason)})"

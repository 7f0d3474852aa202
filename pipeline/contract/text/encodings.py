"""Which of Python's codecs are encodings of text files."""

from __future__ import annotations

import codecs

_ESCAPES = b"\\u4e00 xn--fiqs8s\n"
"""Plain ASCII; codecs of escapes (raw_unicode_escape, idna) decode it to fewer characters."""


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

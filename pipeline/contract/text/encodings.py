"""Which of Python's codecs are encodings in which files of text are written."""

from __future__ import annotations

import codecs

_ESCAPES = b"\\u4e00 xn--fiqs8s\n"
"""Plain ASCII; codecs of escapes (raw_unicode_escape, idna) make fewer characters of it."""


def text_encoding(name: str) -> str | None:
    """Python's name of an encoding in which lines can be told apart, without ``-sig``; None for anything else.

    Refused are codecs of bytes (hex, base64, zip), of text to text (rot13), of escapes (unicode_escape,
    raw_unicode_escape, idna, punycode) and EBCDIC, whose line end is another byte.
    """
    try:
        # Without -sig, since readers look for byte order marks themselves.
        codec = codecs.lookup(name).name.removesuffix("-sig")
        # A line end is several bytes in these, which the test below would refuse; readers of lines know that.
        if codec.startswith(("utf-16", "utf-32")):
            return codec
        plain = "\n".encode(codec) == b"\n"  # unlike codecs.lookup this refuses codecs of bytes
        read = _ESCAPES.decode(codec, "replace")
    except (LookupError, UnicodeError, ValueError):
        return None
    return codec if plain and read.endswith("\n") and len(read) == len(_ESCAPES) else None

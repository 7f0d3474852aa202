"""JSON of other people's texts: written harmless to a terminal, read without Python's limits showing through."""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""DEL, the second set of control characters, and what turns the reading order; JSON escapes the first set itself."""


def dumps(value: Any) -> str:
    """One line of JSON that reads back as ``value``; every piece can be encoded as UTF-8.

    A lone surrogate is spelt as JSON can, and then all that is not ASCII with it.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    # Outside strings JSON is ASCII, so all of these stand in one.
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def loads(text: str) -> Any:
    """Read JSON. Raises ValueError for all that is none, for what is nested too deeply among it."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

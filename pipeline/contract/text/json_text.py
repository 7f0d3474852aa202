"""JSON of untrusted text: written so that a terminal is safe, read so that every failure is a ValueError."""

from __future__ import annotations

import json
import re
from typing import Any

_CONTROLS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""DEL, the C1 control characters, and the controls of text direction; JSON itself escapes the C0 set."""


def dumps(value: Any) -> str:
    """Serialise a value as one line of JSON, which can always be encoded as UTF-8 and reads back as ``value``.

    If it contains a lone surrogate, every character outside ASCII is escaped.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    # JSON is ASCII outside strings, so these characters occur only inside strings.
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def fault_in_line(error: Exception) -> str:
    """Say why a single line is not JSON; unlike the text of Python's error, without the line number, which is 1."""
    return f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)


def loads(text: str) -> Any:
    """Parse JSON; raises ValueError if the text is not JSON or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

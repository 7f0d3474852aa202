"""JSON of untrusted text: written so that a terminal is safe, read so that every failure is a ValueError."""

from __future__ import annotations

import json
import re
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError

LONG_NUMBER = "a number of thousands of digits"
"""What Python parses neither in JSON nor in YAML, although both allow it."""
_TOO_DEEP = "nested too deeply"
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


def is_long_number(error: BaseException) -> bool:
    """Whether reading failed only because a number has more digits than Python parses."""
    return type(error) is ValueError and str(error).startswith("Exceeds the limit")


def not_json(where: str, error: Exception, *, next_step: str) -> InputDataError:
    """Make the error for one line or one value that the parser refused.

    Args:
        where: The place, at the beginning of the message.
        error: The error of Python's parser.
        next_step: The next step, unless a number is too long, which JSON allows.
    """
    if is_long_number(error):
        return InputDataError(f"{where}: {LONG_NUMBER}", next_step="write it as a text, in quotes")
    return InputDataError(f"{where}: not JSON ({fault_in_line(error)})", next_step=next_step)


def fault_in_line(error: Exception) -> str:
    """Say why a single line is not JSON; unlike the text of Python's error, without the line number, which is 1."""
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    return f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)


def loads(text: str) -> Any:
    """Parse JSON; raises ValueError if the text is not JSON or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None

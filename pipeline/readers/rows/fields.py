"""Check the fields of a row, for all file formats."""

from __future__ import annotations

import json
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.entities.spans import RawSpan

_NEXT = "write entities with whole numbers as offsets, and texts and types that are plain strings"


def text_field(given: Any, *, name: str, where: str) -> str:
    """Return a string that can be encoded as UTF-8; raises InputDataError, beginning with ``where``, for all else."""
    if not isinstance(given, str):
        raise InputDataError(f"{where}: no string under {name!r}", next_step=_NEXT)
    try:
        given.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(given[error.start])
        raise InputDataError(f"{where}: half a surrogate pair (\\u{half:04x})", next_step=_NEXT) from None
    return given


def raw_span(start: Any, end: Any, label: Any, *, quoted: Any = None, where: str) -> RawSpan:
    """Make an entity from integer offsets and a string type, without further checks.

    Raises:
        InputDataError: Beginning with ``where``: an offset is not an integer, or the type is not a valid string.
    """
    shown = show([start, end, label])
    # Not isinstance, which accepts JSON's true as 1.
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise InputDataError(f"{where}: entity {shown} needs two whole numbers and a type", next_step=_NEXT)
    text_field(label, name="label", where=where)
    return RawSpan(start, end, label, (quoted,) if isinstance(quoted, str) else (), shown)


def show(item: Any) -> str:
    """Format a JSON value for messages, truncated."""
    return json.dumps(item, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode()[:80]

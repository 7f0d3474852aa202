"""Wording of messages: counts with their nouns, parameters as in YAML, names of JSON types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def counted(n: int, noun: str) -> str:
    """Format a number with its noun, in the plural unless it is 1: ``1 part``, ``2,048 sentences``, ``0 entities``."""
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Return the regular plural of an English noun; of several words the last changes: ``data set``, ``data sets``."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    is_soft = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("epoch")
    return f"{noun}{'es' if is_soft else 's'}"


def is_or_are(n: int) -> str:
    """Return the verb that agrees with a count."""
    return "is" if n == 1 else "are"


def as_yaml(value: Any) -> str:
    """Format a parameter's value as in params.yaml and ``-S``: ``true``, ``null``, ``0.5``, ``[a, b]``, ``word``."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def json_kind(value: Any) -> str:
    """Return the name of the JSON type of a value that was read from JSON."""
    if value is None:
        return "null"
    # Checked before numbers, because in Python True is a number.
    for kind, name in ((bool, "a boolean"), (str, "a string"), (list, "an array"), (dict, "an object")):
        if isinstance(value, kind):
            return name
    return "a number"


def abbreviated(names: Sequence[str], *, limit: int = 8) -> str:
    """List the first few names: ``LOC, NAME, ORG ...``."""
    return f"{', '.join(names[:limit])}{' ...' if len(names) > limit else ''}"

"""Words of messages: counts with their nouns, parameters as YAML has them, kinds of JSON values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def counted(n: int, noun: str) -> str:
    """A number and its noun, in the plural but for one: ``1 part``, ``2,048 sentences``, ``0 entities``."""
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Of an English noun that has a regular one; of several words the last: ``data set``, ``data sets``."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    is_soft = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("epoch")
    return f"{noun}{'es' if is_soft else 's'}"


def is_or_are(n: int) -> str:
    """The verb of a count."""
    return "is" if n == 1 else "are"


def as_yaml(value: Any) -> str:
    """A value of a parameter as params.yaml and ``-S`` write it: ``true``, ``null``, ``0.5``, ``[a, b]``, ``word``."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def json_kind(value: Any) -> str:
    """What JSON calls a value that was read from it."""
    if value is None:
        return "null"
    # Before numbers: to Python True is one.
    for kind, name in ((bool, "a boolean"), (str, "a string"), (list, "an array"), (dict, "an object")):
        if isinstance(value, kind):
            return name
    return "a number"


def some(names: Sequence[str], *, most: int = 8) -> str:
    """The first few of some names: ``LOC, NAME, ORG ...``."""
    return f"{', '.join(names[:most])}{' ...' if len(names) > most else ''}"

"""What is wrong with a value that a user wrote, in plain words in place of pydantic's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ssmi.pipeline.contract.text.wording import as_yaml, counted

_LONGEST_SHOWN = 60
_KEY = "[key]"
"""Last step of pydantic's place of a key of a mapping."""
_EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    "int_parsing_size": "a whole number with fewer digits",
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    "string_type": "a text",
    **dict.fromkeys(("tuple_type", "list_type"), "a list [a, b]"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "keys with values {a: b}"),
}
"""Type of a pydantic error → what was expected."""
_ABSENT: Mapping[str, str] = {"missing": "missing", "extra_forbidden": "unknown key"}
_LIMITS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda limits: f"a number greater than {_plain(limits['gt'])}",
    "greater_than_equal": lambda limits: f"a number of at least {_plain(limits['ge'])}",
    "less_than": lambda limits: f"a number less than {_plain(limits['lt'])}",
    "less_than_equal": lambda limits: f"a number of at most {_plain(limits['le'])}",
    "multiple_of": lambda limits: f"a multiple of {limits['multiple_of']}",
    "literal_error": lambda limits: re.sub("'([^']*)'", r"\1", limits["expected"]),
}
"""Type of a pydantic error → what was expected, from the limits that it states."""


def wrong_value(mistake: ErrorDetails) -> str:
    """Say what is wrong with one value, without its place: ``expected a whole number, got three``."""
    kind, value, limits = mistake["type"], mistake["input"], mistake.get("ctx", {})
    if kind == "value_error":  # from our own validators; pydantic's message has a prefix
        return str(limits["error"])
    if kind in _ABSENT:
        return _ABSENT[kind]
    if kind == "too_short":
        return f"expected at least {counted(limits['min_length'], 'entry')}, got {_shown(value)}"
    expected = _EXPECTED.get(kind) or (_LIMITS[kind](limits) if kind in _LIMITS else "")
    return f"expected {expected}, got {_shown(value)}" if expected else mistake["msg"]


def placed(mistake: ErrorDetails, *, within: str = "") -> str:
    """Format one mistake as ``key: what is wrong``; ``within`` is the key that holds everything that was checked."""
    steps = (*filter(None, [within]), *mistake["loc"])
    if mistake["type"] == "invalid_key" or steps[-1:] == (_KEY,):
        # The place ends with the key, as Python shows it; YAML has keys of other types, such as numbers.
        holder = _place(steps[: -2 if steps[-1] == _KEY else -1])
        return f"{holder}: expected a text as key, got {_shown(mistake['input'])} (in quotes it is a text)"
    return f"{_place(steps)}: {wrong_value(mistake)}"


def _place(steps: Sequence[str | int]) -> str:
    """Format the way to a value: ``section.key``, or ``section.key, entry 2`` in a list."""
    pieces = (f", entry {step + 1}" if isinstance(step, int) else f".{step}" for step in steps)
    return "".join(pieces).removeprefix(".") or "the file"


def mistakes(error: ValidationError, *, within: str = "") -> str:
    """Format every mistake that pydantic found as ``key: what is wrong``; ``within`` as for ``placed``."""
    return "; ".join(placed(one, within=within) for one in distinct_mistakes(error))


def distinct_mistakes(error: ValidationError) -> list[ErrorDetails]:
    """Return pydantic's errors without those that only follow from another.

    A list is also reported as too short if its entries are wrong, because these do not count.
    """
    every = error.errors()
    wrong_entries = {one["loc"][:-1] for one in every if one["loc"]}
    return [one for one in every if one["type"] != "too_short" or one["loc"] not in wrong_entries]


def _plain(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else str(limit)


def _shown(value: object) -> str:
    plain = value is None or isinstance(value, str | int | float | list | tuple | dict)
    try:
        text = as_yaml(value) if plain else str(value)  # YAML has other types, such as dates
    except (TypeError, ValueError):  # such a type, or a number of too many digits, in a list
        text = type(value).__name__
    text = text or "an empty text"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."

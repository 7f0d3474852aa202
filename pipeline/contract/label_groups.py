"""Groups of entity types that are scored together, as the record of a data set declares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from ssmi.pipeline.contract.labels import is_label

ALL_TYPES = "all"
"""Name for all types together in tables of scores; no group may have this name."""


def _as_patterns(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _checked(groups: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for name, patterns in groups.items():
        if not is_label(name) or name == ALL_TYPES:
            raise ValueError(f"{name!r} cannot be the name of a group")
        if not all(map(is_label, patterns)):
            raise ValueError(
                f"{name}: a pattern is empty or holds a control character, half a surrogate pair or white space"
                " around it"
            )
    return groups


_Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_patterns), Field(min_length=1)]
LabelGroups = Annotated[Mapping[str, _Patterns], AfterValidator(_checked)]
"""Name of a group → patterns of its entity types, such as ``*.NAM``; ``*`` and ``?`` match as in file names."""

NO_GROUPS: LabelGroups = MappingProxyType({})


def members(groups: LabelGroups, types: Iterable[str]) -> dict[str, list[str]]:
    """Sort entity types into groups.

    Args:
        groups: The groups that the data set declares.
        types: Names of entity types.

    Returns:
        Name of each group, sorted → its types in the order given. A type may be in several groups or in none; a group
        may be empty.

    """
    # The types are read once per group, and the first group would exhaust an iterator.
    every = list(types)
    return {
        # fnmatch ignores case on Windows, so groups would depend on the machine.
        name: [label for label in every if any(fnmatchcase(label, pattern) for pattern in patterns)]
        for name, patterns in sorted(groups.items())
    }

"""Arguments from Python that are easily given wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TypeVar

from ssmi.pipeline.contract.errors import ParameterError

One = TypeVar("One")


def list_of(name: str, values: Iterable[One]) -> tuple[One, ...]:
    """The values of an argument that takes several, to be read more than once.

    Args:
        name: Of the argument.
        values: What was given.

    Raises:
        ParameterError: One string or path was given. A string would be read letter by letter.

    """
    if isinstance(values, str | bytes | PurePath):
        kind = "path" if isinstance(values, PurePath) else "string"
        raise ParameterError(
            f"{name}={values!r}: a {kind}, where a list of {kind}s is expected", next_step=f"write {name}=[{values!r}]"
        )
    return tuple(values)

"""Tasks without machine-specific paths: paths become symbolic, and each process substitutes its own folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
UNFINISHED, ARTIFACTS, INPUTS = "@unfinished", "@artifacts", "@inputs"
"""First parts of symbolic paths: below the unfinished stage's folder, below ``artifacts``, and anywhere else."""


def with_paths(value: Value, replaced: Callable[[Path], Path]) -> Value:
    """Return a copy of a task with each path replaced, including paths in nested tuples and dataclasses."""
    changed: Value = _with_paths(value, replaced)
    return changed


def paths_in(value: object) -> list[Path]:
    """Return the paths in a task, in order."""
    found: list[Path] = []

    def noted(path: Path) -> Path:
        found.append(path)
        return path

    _with_paths(value, noted)
    return found


def symbolic(path: Path, *, unfinished: Path, artifacts: Path | None) -> Path:
    """Make a path symbolic. A path from elsewhere keeps only its name: the stage's inputs identify its content."""
    if path.is_relative_to(unfinished):
        return Path(UNFINISHED) / path.relative_to(unfinished)
    if artifacts is not None and path.is_relative_to(artifacts):
        return Path(ARTIFACTS) / path.relative_to(artifacts)
    return Path(INPUTS) / path.name


def below(path: Path, symbol: str) -> str | None:
    """Return the rest of a symbolic path after ``symbol``, with slashes; None if it begins with another symbol."""
    return "/".join(path.parts[1:]) if path.parts[:1] == (symbol,) else None


def _with_paths(value: Any, replaced: Callable[[Path], Path]) -> Any:
    if isinstance(value, Path):
        return replaced(value)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {one.name: _with_paths(getattr(value, one.name), replaced) for one in fields(value)}
        return replace(value, **changes)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_with_paths(one, replaced) for one in value)
    return value

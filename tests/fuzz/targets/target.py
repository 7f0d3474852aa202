"""A fuzz target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A reader with the name of its input file, good files, and files to place next to the input."""

    name: str
    read: Callable[[Path], object]
    file: str
    seeds: Sequence[bytes]
    extra_files: Mapping[str, bytes]


def target(
    name: str,
    read: Callable[[Path], object],
    file: str,
    *seeds: bytes | str,
    extra_files: Mapping[str, bytes] | None = None,
) -> Target:
    """Make a target from good files, given as text or bytes."""
    bodies = [seed.encode() if isinstance(seed, str) else seed for seed in seeds]
    return Target(name, read, file, bodies, extra_files or {})

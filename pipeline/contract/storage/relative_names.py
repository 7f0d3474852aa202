"""Names of files that somebody else wrote down: none may lead out of the folder that they are relative to."""

from __future__ import annotations

from pathlib import PurePosixPath


def stays_below(name: str) -> bool:
    """Whether a name with slashes means something in its folder, on any system."""
    path = PurePosixPath(name)
    # A backslash is a letter to PurePosixPath, but parts folders on Windows.
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\\0")

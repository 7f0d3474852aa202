"""Relative file names that come from somebody else, none of which may lead out of its folder."""

from __future__ import annotations

from pathlib import PurePosixPath


def stays_below(name: str) -> bool:
    """Whether a relative name, with slashes, stays inside its folder on any system."""
    path = PurePosixPath(name)
    # To PurePosixPath a backslash is a letter, but on Windows it separates folders.
    return not path.is_absolute() and ".." not in path.parts and not set(name) & set("\\\0")

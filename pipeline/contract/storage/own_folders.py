"""Folders that only their owner can access, so that nobody else can put content into them that is then trusted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ssmi.pipeline.contract.errors import SsmiError


def make_private(folder: Path, *, root: Path) -> None:
    """Create a folder and its missing parents up to ``root``, accessible to their owner only.

    The process's umask makes no difference. Folders above ``root`` are created with the usual permissions.

    Args:
        folder: ``root``, or a folder below it.
        root: The outermost folder that other users must not access.

    Raises:
        SsmiError: One of the folders, or a link in its place, belongs to another user.
        OSError: A folder cannot be created.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    inner = folder.relative_to(root).parts
    for place in (root.joinpath(*inner[:depth]) for depth in range(len(inner) + 1)):
        # Checked after its creation: nobody else can replace a folder that exists.
        place.mkdir(mode=0o700, exist_ok=True)
        if sys.platform != "win32" and not _is_own(place):
            raise SsmiError(
                f"{place}: created by another user of this machine, who could tamper with its contents",
                next_step="remove it",
            )


def _is_own(place: Path) -> bool:
    """Whether a folder or link belongs to this user, or to the owner of its parent, who controls it anyway."""
    return place.lstat().st_uid in (os.geteuid(), place.parent.stat().st_uid)

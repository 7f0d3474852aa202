"""Folders for their owner alone: what is used from there without being asked was put there by nobody else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ssmi.pipeline.contract.errors import SsmiError


def make_own(folder: Path, *, root: Path) -> None:
    """Make a folder and those above it as far as ``root``, where they are missing, for their owner alone.

    The process's umask makes no difference. What lies above ``root`` is made as any folder.

    Args:
        folder: ``root``, or a folder below it.
        root: The outermost folder that others must not get into.

    Raises:
        SsmiError: Another user put one of them there, or a link in its place.
        OSError: One cannot be made.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    inner = folder.relative_to(root).parts
    for place in (root.joinpath(*inner[:depth]) for depth in range(len(inner) + 1)):
        # Asked after it was made: what is there by then nobody else can replace.
        place.mkdir(mode=0o700, exist_ok=True)
        if sys.platform != "win32" and not _is_own(place):
            raise SsmiError(
                f"{place}: made by another user of this machine, who could put into it what is used from there",
                next_step="remove it",
            )


def _is_own(place: Path) -> bool:
    """Whether a folder or link is of this process's user, or of whoever has the folder around it in hand anyway."""
    return place.lstat().st_uid in (os.geteuid(), place.parent.stat().st_uid)

"""Where this machine keeps what it can fetch or compute again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ssmi.pipeline.contract.storage.own_folders import make_own


def cache_root() -> Path:
    """Find the cache: the folder named by ``SSMI_CACHE``, else the user's cache folder of this platform."""
    named = os.environ.get("SSMI_CACHE")
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("ssmi", appauthor=False))


def make_cache_root() -> Path:
    """Make the cache folder where there is none, for its owner alone: what lies in it is used without being asked.

    Raises:
        SsmiError: Another user put it there, or a link in its place.
        OSError: It cannot be made.
    """
    root = cache_root()
    make_own(root, root=root)
    return root

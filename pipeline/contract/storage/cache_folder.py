"""The cache folder of this machine, for files that can be fetched or computed again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from ssmi.pipeline.contract.storage.own_folders import make_private


def cache_root() -> Path:
    """Return the cache folder: the one named by ``SSMI_CACHE``, else the user's cache folder on this platform."""
    named = os.environ.get("SSMI_CACHE")
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("ssmi", appauthor=False))


def make_cache_root() -> Path:
    """Create the cache folder if necessary, accessible to its owner only, because its content is trusted.

    Raises:
        SsmiError: The folder, or a link in its place, belongs to another user.
        OSError: The folder cannot be created.
    """
    root = cache_root()
    make_private(root, root=root)
    return root

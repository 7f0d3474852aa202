"""Where this machine keeps what it can fetch or compute again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """Find the cache: the folder named by ``SSMI_CACHE``, else the user's cache folder of this platform."""
    named = os.environ.get("SSMI_CACHE")
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("ssmi", appauthor=False))


def make_cache_root() -> Path:
    """Make the cache folder where there is none, for its owner alone: what lies in it is used without being asked."""
    root = cache_root()
    root.parent.mkdir(parents=True, exist_ok=True)
    root.mkdir(mode=0o700, exist_ok=True)
    return root

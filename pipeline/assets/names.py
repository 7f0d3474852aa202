"""What a name in params.yaml can mean: a plain name, or a path below the project."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

OWN_LICENCE = "your own copy; its licence is not known here"


def path_below(root: Path, name: str) -> Path:
    """``name`` as a path: absolute, below the home folder, or relative to the project."""
    path = Path(name)
    with suppress(RuntimeError):  # "~name" of a user who does not exist is kept as it is
        path = path.expanduser()
    return root / path


def is_plain(name: str) -> bool:
    """Whether a name can be that of a folder's direct child."""
    return bool(name) and name not in (".", "..") and not any(mark in name for mark in "/\\\0")


def is_path(name: str) -> bool:
    """Whether a name can only mean a folder: a hub name is ``model`` or ``owner/model``."""
    return not name or name.startswith((".", "~", "/")) or name.endswith("/") or "\\" in name or name.count("/") > 1

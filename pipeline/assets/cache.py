"""The cache folder: all-or-nothing entries under a lock, each with a marker that holds its files' digests.

``<cache>/<kind>/<name>/`` holds the files of one asset and ``asset.json``. A user may put archives that were fetched
elsewhere into ``<cache>/downloads/``. Every process verifies the files that it uses once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage.cache_folder import cache_root
from ssmi.pipeline.contract.storage.digests import digest_file, digest_once
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.storage.own_folders import make_private
from ssmi.pipeline.contract.storage.replacing import replacing_folder, writing
from ssmi.pipeline.contract.text.json_text import loads

__all__ = ["MARKER", "cache_root", "cached", "downloads", "obtain"]

MARKER = "asset.json"


def downloads() -> Path:
    """Folder that is searched for archives that a user put there."""
    return cache_root() / "downloads"


def cached(kind: str, name: str, recipe: str) -> Path | None:
    """Find the folder of an entry if it is complete, unchanged and made by this recipe; else None. Takes no lock."""
    folder = cache_root() / kind / name
    marker = _read_json(folder / MARKER)
    if marker.get("recipe") != recipe or not isinstance(marker.get("files"), dict):
        return None
    return folder if all(_unchanged(folder / file, entry) for file, entry in marker["files"].items()) else None


def obtain(kind: str, name: str, recipe: str, make: Callable[[Path], None], *, reporter: Reporter) -> Path:
    """Find an entry of the cache, or make it if it is missing, damaged or of another recipe.

    Two processes never make the same entry: the second one waits and finds it.

    Args:
        kind: Kind of the entry, which is the name of the folder that holds it.
        name: Name of the entry.
        recipe: Digest of everything that the entry is made from.
        make: Fills an empty folder. Its errors are raised from here, with the cache unchanged.
        reporter: Receives a note if the entry is made again or another process must be waited for.

    Returns:
        The entry's folder.

    Raises:
        SsmiError: The cache folder cannot be written.
    """
    entry = cached(kind, name, recipe)
    if entry is not None:
        return entry
    folder = cache_root() / kind / name
    lock = cache_root() / "locks" / f"{kind}-{name}.lock"
    with _usable_cache(), locked(lock, what=f"{name} is being fetched", reporter=reporter):
        # Checked again: another process may have made it while this one waited.
        entry = cached(kind, name, recipe)
        if entry is not None:
            return entry
        if folder.exists():
            reporter.note(f"{name}: the cached copy is damaged or of another version; it is made again")
        with replacing_folder(folder) as fresh:
            make(fresh)
            for path in fresh.iterdir():
                path.chmod(0o644)  # some writers leave files that only their owner can read
            entries = {
                path.name: {"n_bytes": path.stat().st_size, "sha256": digest_file(path)}
                for path in sorted(fresh.iterdir())
            }
            _write_json(fresh / MARKER, {"files": entries, "name": name, "recipe": recipe})
    return folder


def _unchanged(path: Path, entry: dict[str, Any]) -> bool:
    try:
        return bool(path.stat().st_size == entry["n_bytes"] and digest_once(path) == entry["sha256"])
    except (OSError, KeyError, TypeError):
        return False


@contextmanager
def _usable_cache() -> Iterator[None]:
    try:
        make_private(cache_root() / "locks", root=cache_root())
        yield
    except OSError as error:
        raise SsmiError(
            f"{error.filename or cache_root()}: the cache cannot be written ({error.strerror or error})",
            next_step="free some room, or set SSMI_CACHE to a folder that can be written",
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing or damaged."""
    try:
        body = loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _write_json(path: Path, body: dict[str, Any]) -> None:
    with writing(path) as temporary:
        temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")

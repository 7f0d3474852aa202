"""Local cache of files in storage: each is fetched once, by digest, and shared by the processes of this machine.

An object is the file ``<cache>/objects/DIGEST``. A process that needs it under a name makes a hard link, so that a
memory-mapped file is in memory only once. Objects without links are removed when they take too much space, the oldest
first. The folder may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.cache_folder import cache_root, make_cache_root
from ssmi.pipeline.contract.storage.digests import digest_file, digest_once
from ssmi.pipeline.remote.filesystem import RemoteFolder

MAX_BYTES = 32 << 30
"""Maximum total size of the objects that no process uses."""


class LostError(MissingResourceError):
    """A named file does not exist in storage, although the storage itself can be reached."""


def fetch(remote: RemoteFolder, name: str, digest: str, target: Path) -> None:
    """Copy a file from storage, unless ``target`` has the content already.

    Args:
        remote: The storage.
        name: Name of the file in storage.
        digest: The expected digest of its content.
        target: The local file.

    Raises:
        LostError: The file does not exist in storage.
        MissingResourceError: The storage cannot be used.
        StaleArtifactError: The content does not have the digest.
    """
    if _is(target, digest):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(target) as temporary:
        _get(remote, name, digest, temporary)


def link(remote: RemoteFolder, name: str, digest: str, target: Path) -> None:
    """Do ``fetch`` by way of the machine's object cache; ``target`` must be inside the cache folder."""
    if _is(target, digest):
        return
    make_cache_root()
    kept = objects_folder() / digest
    fetch(remote, name, digest, kept)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(kept)
    except FileExistsError:
        pass  # another thread of this process was faster, with the same content
    except OSError:  # a file system without hard links, or the object has just been removed
        fetch(remote, name, digest, target)


def holds(remote: RemoteFolder, name: str, digest: str) -> bool:
    """Whether a file in storage exists and has the digest; it is fetched to a temporary file for this check."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        return remote.get(name, file) and digest_file(file) == digest


def objects_folder() -> Path:
    """Return the folder of the object cache."""
    return cache_root() / "objects"


def tidy(*, max_bytes: int = MAX_BYTES) -> None:
    """Remove the oldest objects that no process uses, until the remaining unused ones take at most ``max_bytes``."""
    try:
        with os.scandir(objects_folder()) as entries:
            unused = [(one.stat(), Path(one.path)) for one in entries if one.is_file(follow_symlinks=False)]
    except OSError:  # there are no objects, or another process is removing them too
        return
    unused = [(status, path) for status, path in unused if status.st_nlink == 1]
    n_bytes = sum(status.st_size for status, _ in unused)
    for status, path in sorted(unused, key=lambda one: (one[0].st_mtime_ns, one[1].name)):
        if n_bytes <= max_bytes:
            return
        path.unlink(missing_ok=True)
        n_bytes -= status.st_size


def copy_or_fetch(remote: RemoteFolder, name: str, digest: str, target: Path, *, present: Path) -> None:
    """Do ``fetch``, but copy the local file ``present`` instead if it has the content."""
    if _is(present, digest):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(present, target)
    else:
        fetch(remote, name, digest, target)


def _is(path: Path, digest: str) -> bool:
    try:
        return digest_once(path) == digest
    except OSError:
        return False


def _get(remote: RemoteFolder, name: str, digest: str, path: Path) -> None:
    if not remote.get(name, path):
        raise LostError(
            f"{remote}/{name}: no longer exists",
            next_step="run the same command again: somebody may have built these features anew meanwhile",
        )
    if digest_file(path) != digest:
        raise StaleArtifactError(
            f"{remote}/{name}: its content does not match its digest",
            next_step="remove it from the storage and build the features again",
        )

"""Files of storage on this machine: fetched by digest, once, and shared by its processes.

``<cache>/objects/DIGEST`` holds each. Where a process needs one under a name, the name is a hard link to it: a file
that is mapped into memory is in memory once. What no name leads to any more goes when there is too much, the oldest
first; the folder may be deleted at any time.
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

MOST_BYTES = 32 << 30
"""Of objects that no process uses."""


class LostError(MissingResourceError):
    """A file that was named is not in the storage; the storage itself answers."""


def fetch(remote: RemoteFolder, name: str, digest: str, target: Path) -> None:
    """Copy a file to this machine, unless the one at ``target`` has this content already.

    Raises:
        LostError: It is not there.
        MissingResourceError: The storage cannot be used.
        StaleArtifactError: Its content is another.
    """
    if _is(target, digest):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(target) as temporary:
        _get(remote, name, digest, temporary)


def link(remote: RemoteFolder, name: str, digest: str, target: Path) -> None:
    """As ``fetch``, by way of the machine's cache; ``target`` must be in a folder of the cache."""
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
    except OSError:  # a file system without links, or the object went in this moment
        fetch(remote, name, digest, target)


def holds(remote: RemoteFolder, name: str, digest: str) -> bool:
    """Whether a file that is there has this content; it is fetched, and not kept."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        return remote.get(name, file) and digest_file(file) == digest


def objects_folder() -> Path:
    """Where objects lie."""
    return cache_root() / "objects"


def tidy(*, most_bytes: int = MOST_BYTES) -> None:
    """Remove the oldest objects that no process uses until the others have at most so many bytes."""
    try:
        with os.scandir(objects_folder()) as entries:
            unused = [(one.stat(), Path(one.path)) for one in entries if one.is_file(follow_symlinks=False)]
    except OSError:  # there are none, or another process tidies too
        return
    unused = [(status, path) for status, path in unused if status.st_nlink == 1]
    n_bytes = sum(status.st_size for status, _ in unused)
    for status, path in sorted(unused, key=lambda one: (one[0].st_mtime_ns, one[1].name)):
        if n_bytes <= most_bytes:
            return
        path.unlink(missing_ok=True)
        n_bytes -= status.st_size


def copy_or_fetch(remote: RemoteFolder, name: str, digest: str, target: Path, *, present: Path) -> None:
    """As ``fetch``, from a file of this machine where that has the content."""
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
            f"{remote}/{name}: not there any more",
            next_step="run the same again: somebody may have built these features anew meanwhile",
        )
    if digest_file(path) != digest:
        raise StaleArtifactError(
            f"{remote}/{name}: not what was written",
            next_step="remove it from the storage and build the features again",
        )

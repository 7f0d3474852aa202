"""Files of a stage's folder, each verified against the digest in the folder's manifest when it is opened.

The digest is computed from the bytes that are used: a file that is not mapped into memory is read once, whole. A file
that is mapped is read through beforehand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, FileEntry, Manifest
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_once


def read(path: Path, *, manifest: Manifest | None = None) -> bytes:
    """Read a file and verify it against the manifest.

    Args:
        path: The file, in the stage's folder or in the folder of a split in it.
        manifest: The manifest; None for the one in the stage's folder. If that folder has no manifest, because a stage
            is still writing it, nothing is verified.

    Returns:
        The content of the file.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, is not in the manifest, or cannot be read.
    """
    # Read before the file, so that a build that replaces the folder in between is noticed.
    manifest = manifest or _manifest_beside(path)
    try:
        content = plain_files.read_bytes(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if manifest is not None:
        _compare(path, manifest, hashlib.sha256(content).hexdigest())
    return content


def check(path: Path, *, manifest: Manifest | None = None) -> None:
    """Verify a file, read once per process, before it is mapped into memory; arguments and errors as for ``read``."""
    manifest = manifest or _manifest_beside(path)
    try:
        digest = digest_once(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if manifest is not None:
        _compare(path, manifest, digest)


def require_plain(paths: Iterable[Path]) -> None:
    """Refuse pipes, sockets and devices in place of files, without opening them; errors as for ``read``."""
    for path in paths:
        try:
            plain_files.require_plain(path)
        except OSError as error:
            raise _unreadable(path, error) from error


def entries_of(paths: Iterable[Path]) -> list[FileEntry | None]:
    """Return the manifest entry of each file; None if there is no manifest or it does not name the file.

    A folder's manifest is read once: it lists every file, so reading it for every file would take quadratic time.
    """
    beside: dict[Path, Manifest | None] = {}
    entries = []
    for path in paths:
        if path.parent not in beside:
            beside[path.parent] = _manifest_beside(path)
        manifest = beside[path.parent]
        entries.append(None if manifest is None else _entry(path, manifest))
    return entries


def hint_for(path: Path) -> str:
    """Return the command that builds a file again."""
    return manifests.build_hint(_folder_of(path))


def _folder_of(path: Path) -> Path:
    """Return the stage's folder: the file's own folder, or the parent of a split's folder."""
    above = path.parent.parent
    own = path.parent
    return above if not (own / MANIFEST_NAME).is_file() and (above / MANIFEST_NAME).is_file() else own


def _manifest_beside(path: Path) -> Manifest | None:
    folder = _folder_of(path)
    return manifests.load(folder) if (folder / MANIFEST_NAME).is_file() else None


def _compare(path: Path, manifest: Manifest, digest: str) -> None:
    entry = _entry(path, manifest)
    if entry is None or entry.sha256 != digest:
        wrong = "not one of the files that its manifest names" if entry is None else "changed since it was written"
        raise StaleArtifactError(f"{path}: {wrong}", next_step=hint_for(path))


def _entry(path: Path, manifest: Manifest) -> FileEntry | None:
    return manifest.files.get(path.name) or manifest.files.get(f"{path.parent.name}/{path.name}")


def _unreadable(path: Path, error: OSError) -> MissingResourceError | StaleArtifactError:
    hint = hint_for(path)
    if isinstance(error, FileNotFoundError):
        return MissingResourceError(f"{path}: does not exist", next_step=hint)
    return StaleArtifactError(f"{path}: cannot be read ({error.strerror})", next_step=hint)

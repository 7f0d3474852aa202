"""Files of a stage's folder, each held to the digest in the folder's manifest when it is opened.

The bytes that are digested are those that are used: what is not mapped into memory is read once, whole. What is mapped
is read through before.
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


def read(path: Path, *, held_to: Manifest | None = None) -> bytes:
    """Read a file that must be what the manifest says.

    Args:
        path: The file, in the stage's folder or in that of a split in it.
        held_to: The manifest; None for the one in the folder. Where there is none, as in a folder that a stage is
            still writing, nothing is compared.

    Returns:
        The content.

    Raises:
        MissingResourceError: The file is not there.
        StaleArtifactError: It is not what was written, or cannot be read.
    """
    # Before the file: where a build replaces the folder in between, that is found.
    manifest = held_to or _manifest_beside(path)
    try:
        content = plain_files.read_bytes(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if manifest is not None:
        _compare(path, manifest, hashlib.sha256(content).hexdigest())
    return content


def check(path: Path, *, held_to: Manifest | None = None) -> None:
    """Read a file through, once a process, before it is mapped into memory; arguments and errors as of ``read``."""
    manifest = held_to or _manifest_beside(path)
    try:
        digest = digest_once(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if manifest is not None:
        _compare(path, manifest, digest)


def require_plain(paths: Iterable[Path]) -> None:
    """Refuse what lies in the place of a file and is none, a pipe say, without opening it; errors as of ``read``."""
    for path in paths:
        try:
            plain_files.require_plain(path)
        except OSError as error:
            raise _unreadable(path, error) from error


def entries_of(paths: Iterable[Path]) -> list[FileEntry | None]:
    """What the manifest beside each file says of it; None where it does not name it, or there is none.

    A folder's manifest is read once: it has a line for every file, so reading it for every file would be quadratic.
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
    """The command that makes a file again."""
    return manifests.build_hint(_folder_of(path))


def _folder_of(path: Path) -> Path:
    """The stage's folder: the file's own, or the one above where that is a split's."""
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
        return MissingResourceError(f"{path}: not there", next_step=hint)
    return StaleArtifactError(f"{path}: cannot be read ({error.strerror})", next_step=hint)

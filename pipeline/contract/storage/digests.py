"""Digests of files and of JSON values, and JSON objects that hold the digest of their own content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.storage.plain_files import open_plain
from ssmi.pipeline.contract.text.json_text import loads

SEAL = "sha256"
"""The key of a sealed object that holds the digest of all its other keys."""

_SHORT = 12
_known: dict[tuple[int, ...], str] = {}
"""Identity of a file → digest that ``digest_once`` computed in this process."""


def short_digest(digest: str) -> str:
    """Shorten a digest for messages and names of folders, to as many characters as tell digests apart."""
    return digest[:_SHORT]


def digest_file(path: Path) -> str:
    """Compute the sha256 of a file in blocks; raises OSError if it cannot be read, or is a pipe or a device."""
    with open_plain(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_once(path: Path) -> str:
    """Compute the sha256 of a file, reading it once per process as long as it stays the same file.

    A file is identified by device, inode, size and both times. Unlike the modification time, the change time (ctime)
    is set by the system, and no program can set it back. Nothing is stored for other processes, which could not verify
    it.
    """
    status = path.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if identity not in _known:
        _known[identity] = digest_file(path)
    return _known[identity]


def digest_json(value: Any) -> str:
    """Compute the sha256 of a JSON value in canonical form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def seal(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the digest of its content as an additional key, ``SEAL``."""
    return {**body, SEAL: digest_json(body)}


def unseal(text: bytes) -> dict[str, Any]:
    """Parse a sealed object, verify its digest, and return it without the digest.

    Raises:
        ValueError: The text is not a JSON object, or the digest is missing or does not match.
    """
    body = loads(text.decode())
    if not isinstance(body, dict):
        raise ValueError("not an object")
    written = body.pop(SEAL, None)
    if written is None:
        raise ValueError("its digest is missing")
    if digest_json(body) != written:
        raise ValueError("its content does not match its digest")
    return body

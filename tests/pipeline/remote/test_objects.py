"""Local files by digest: checked, fetched once, shared by hard links, and removed when old."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.remote import objects
from ssmi.pipeline.remote.filesystem import RemoteFolder


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_if_the_local_one_differs(url: str, tmp_path: Path) -> None:
    remote = RemoteFolder(url)
    remote.write("a", b"content")
    target = tmp_path / "deep" / "a"
    for before in (None, b"content", b"c0ntent"):
        if before is not None:
            target.write_bytes(before)
        objects.fetch(remote, "a", _digest(b"content"), target)
        assert target.read_bytes() == b"content"
    remote.remove("a")
    objects.fetch(remote, "a", _digest(b"content"), target)  # a local copy exists, so the storage is not read


def test_changed_content_and_missing_files_are_refused(url: str, tmp_path: Path) -> None:
    remote = RemoteFolder(url)
    remote.write("a", b"something else")
    with pytest.raises(StaleArtifactError, match="a: its content does not match its digest"):
        objects.fetch(remote, "a", _digest(b"content"), tmp_path / "a")
    with pytest.raises(MissingResourceError, match="b: no longer exists"):
        objects.fetch(remote, "b", _digest(b"content"), tmp_path / "b")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_two_folders_share_one_copy(url: str, cache_folder: Path) -> None:
    """The second folder gets a link even if the storage has lost the file; a damaged object is fetched again."""
    remote = RemoteFolder(url)
    remote.write("a", b"content")
    first, second = cache_folder / "workers" / "1" / "a", cache_folder / "workers" / "2" / "a"
    objects.link(remote, "a", _digest(b"content"), first)
    remote.remove("a")
    objects.link(remote, "a", _digest(b"content"), second)
    assert first.samefile(second) and first.stat().st_nlink == 3 and second.read_bytes() == b"content"
    assert cache_folder.stat().st_mode & 0o077 == 0
    first.unlink()
    (objects.objects_folder() / _digest(b"content")).write_bytes(b"CONTENT")
    remote.write("a", b"content")
    objects.link(remote, "a", _digest(b"content"), second)
    assert second.read_bytes() == b"content"


def test_the_oldest_unused_objects_are_removed(url: str, cache_folder: Path) -> None:
    remote = RemoteFolder(url)
    objects.tidy(max_bytes=0)  # the folder does not exist yet
    for number in range(4):
        content = bytes([number]) * 100
        remote.write("a", content)
        objects.link(remote, "a", _digest(content), cache_folder / "workers" / str(number))
        os.utime(objects.objects_folder() / _digest(content), (number, number))
    objects_folder = objects.objects_folder()
    for number in (0, 1, 2):
        (cache_folder / "workers" / str(number)).unlink()
    objects.tidy(max_bytes=150)
    assert {path.name for path in objects_folder.iterdir()} == {_digest(bytes([number]) * 100) for number in (2, 3)}
    objects.tidy(max_bytes=0)
    assert {path.name for path in objects_folder.iterdir()} == {_digest(b"\3" * 100)}


def test_a_local_copy_is_used_before_the_storage(url: str, tmp_path: Path) -> None:
    remote = RemoteFolder(url)
    (tmp_path / "present").write_bytes(b"content")
    objects.copy_or_fetch(remote, "a", _digest(b"content"), tmp_path / "new" / "a", present=tmp_path / "present")
    assert (tmp_path / "new" / "a").read_bytes() == b"content"
    remote.write("a", b"fresh")
    objects.copy_or_fetch(remote, "a", _digest(b"fresh"), tmp_path / "new" / "b", present=tmp_path / "present")
    assert (tmp_path / "new" / "b").read_bytes() == b"fresh"

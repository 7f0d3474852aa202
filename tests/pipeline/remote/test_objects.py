"""Local files by digest: checked, fetched once, shared by hard links, and tidied up."""

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


def test_a_file_is_fetched_where_the_one_here_is_another(url: str, tmp_path: Path) -> None:
    remote = RemoteFolder(url)
    remote.write("a", b"content")
    target = tmp_path / "deep" / "a"
    for before in (None, b"content", b"c0ntent"):
        if before is not None:
            target.write_bytes(before)
        objects.fetch(remote, "a", _digest(b"content"), target)
        assert target.read_bytes() == b"content"
    remote.remove("a")
    objects.fetch(remote, "a", _digest(b"content"), target)  # a local copy exists, so the storage is not asked


def test_another_content_and_a_missing_file_are_refused(url: str, tmp_path: Path) -> None:
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
    one, two = cache_folder / "workers" / "1" / "a", cache_folder / "workers" / "2" / "a"
    objects.link(remote, "a", _digest(b"content"), one)
    remote.remove("a")
    objects.link(remote, "a", _digest(b"content"), two)
    assert one.samefile(two) and one.stat().st_nlink == 3 and two.read_bytes() == b"content"
    assert cache_folder.stat().st_mode & 0o077 == 0
    one.unlink()
    (objects.objects_folder() / _digest(b"content")).write_bytes(b"CONTENT")
    remote.write("a", b"content")
    objects.link(remote, "a", _digest(b"content"), two)
    assert two.read_bytes() == b"content"


def test_the_oldest_objects_that_nobody_uses_go(url: str, cache_folder: Path) -> None:
    remote = RemoteFolder(url)
    objects.tidy(max_bytes=0)  # the folder does not exist yet
    for number in range(4):
        content = bytes([number]) * 100
        remote.write("a", content)
        objects.link(remote, "a", _digest(content), cache_folder / "workers" / str(number))
        os.utime(objects.objects_folder() / _digest(content), (number, number))
    kept = objects.objects_folder()
    for number in (0, 1, 2):
        (cache_folder / "workers" / str(number)).unlink()
    objects.tidy(max_bytes=150)
    assert {path.name for path in kept.iterdir()} == {_digest(bytes([number]) * 100) for number in (2, 3)}
    objects.tidy(max_bytes=0)
    assert {path.name for path in kept.iterdir()} == {_digest(b"\3" * 100)}


def test_a_copy_from_beside_spares_the_storage(url: str, tmp_path: Path) -> None:
    remote = RemoteFolder(url)
    (tmp_path / "present").write_bytes(b"content")
    objects.copy_or_fetch(remote, "a", _digest(b"content"), tmp_path / "new" / "a", present=tmp_path / "present")
    assert (tmp_path / "new" / "a").read_bytes() == b"content"
    remote.write("a", b"fresh")
    objects.copy_or_fetch(remote, "a", _digest(b"fresh"), tmp_path / "new" / "b", present=tmp_path / "present")
    assert (tmp_path / "new" / "b").read_bytes() == b"fresh"

"""A folder in storage behaves the same under every fsspec driver."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.pipeline.remote.filesystem import PACKAGES, RemoteFolder, open_folder


def test_files_are_read_as_they_were_written(url: str, tmp_path: Path) -> None:
    folder = RemoteFolder(url)
    assert folder.read("a/b.txt") is None and folder.sizes() == {} and str(folder) == url
    folder.write("a/b.txt", b"one")
    folder.write("a/b.txt", b"three")
    (tmp_path / "here").write_bytes(bytes(range(256)) * 500)
    folder.put(tmp_path / "here", "a/名 +字.bin")
    folder.write("c", b"")
    assert folder.read("a/b.txt") == b"three" and folder.read("c") == b"" and folder.read("a") is None
    assert folder.sizes() == {"a/b.txt": 5, "a/名 +字.bin": 128_000, "c": 0}
    assert folder.sizes("a") == {"a/b.txt": 5, "a/名 +字.bin": 128_000} and folder.sizes("no") == {}
    assert folder.get("a/名 +字.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "here").read_bytes()
    assert not folder.get("gone", tmp_path / "gone")
    assert folder.read_many(["c", "a/b.txt"]) == {"c": b"", "a/b.txt": b"three"} and folder.read_many([]) == {}


def test_remove_deletes_a_folder_and_nothing_else(url: str) -> None:
    folder = RemoteFolder(url)
    for name in ("a/1", "a/b/2", "ab/3"):
        folder.write(name, b"x")
    folder.remove("a")
    folder.remove("a")
    folder.remove("never")
    assert folder.sizes() == {"ab/3": 1}


def test_changes_by_another_process_are_visible_at_once(url: str) -> None:
    reader, writer = RemoteFolder(url), RemoteFolder(url)
    assert reader.sizes() == {}
    writer.write("a/1", b"12")
    assert reader.sizes() == {"a/1": 2} == reader.sizes("a")
    writer.write("a/1", b"123")
    assert reader.sizes() == {"a/1": 3} and reader.read("a/1") == b"123"


def test_the_version_of_a_file_changes_with_its_content(url: str) -> None:
    folder = RemoteFolder(url)
    folder.write("texts/a.txt", b"one")
    first = folder.versions("texts")
    assert first == folder.versions("texts") and set(first) == {"texts/a.txt"}
    assert list(RemoteFolder(f"{url}/texts/a.txt").versions().values()) == list(first.values())
    folder.write("texts/a.txt", b"other text")
    assert folder.versions("texts") != first


def test_a_failed_upload_leaves_nothing(url: str, tmp_path: Path) -> None:
    folder = RemoteFolder(url)
    folder.write("kept", b"1")
    with pytest.raises(MissingResourceError):
        folder.put(tmp_path / "not-there", "new")
    assert folder.sizes() == {"kept": 1}


@pytest.mark.parametrize(
    ("url", "error", "step"),
    [
        ("nosuch://bucket", ParameterError, "s3"),
        ("foo://bucket", ParameterError, "memory"),
        ("memmory://bucket", ParameterError, "did you mean 'memory'?"),
        ("webdav://bucket/x", MissingResourceError, "webdav4"),
    ],
)
def test_missing_drivers_are_reported_in_one_line(url: str, error: type[Exception], step: str) -> None:
    with pytest.raises(error) as caught:
        open_folder(url, what="--storage")
    assert f"--storage {url}" in str(caught.value) and step in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", sorted(PACKAGES.keys() - {"http", "https"}))
def test_the_package_of_a_missing_driver_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This also applies if the package is installed: an entry of None in ``sys.modules`` prevents its import."""
    monkeypatch.setitem(sys.modules, PACKAGES[scheme], None)
    with pytest.raises(MissingResourceError) as caught:
        open_folder(f"{scheme}://host/folder", what="--storage")
    assert caught.value.message == f"--storage {scheme}://host/folder: its driver is not installed"
    assert caught.value.next_step == f"pip install '{PACKAGES[scheme]}'"


def test_the_guide_lists_tested_kinds_and_packages_of_the_others(repository: Path) -> None:
    """The kinds of storage called "tested" in the guide are exactly those of the fixture ``url``."""
    guide = (repository / "docs" / "guides" / "storage.md").read_text(encoding="utf-8")
    rows = {
        row[0]: row[1:] for row in re.findall(r"^\| `(\w+)://\S*` \| (.+?) \| .* \| (.+?) \|$", guide, re.MULTILINE)
    }
    untested = {scheme: driver for scheme, (driver, tested) in rows.items() if tested == "no"}
    assert rows.keys() - untested.keys() == {"file", "memory", "s3"}
    assert untested == {scheme: f"`pip install {PACKAGES[scheme]}`" for scheme in ("gs", "az", "sftp")}


def test_a_missing_bucket_is_reported_in_one_line_without_keys(
    s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MissingResourceError) as caught:
        RemoteFolder("s3://there-is-no-such-bucket/x").write("a", b"1")
    text = str(caught.value)
    assert "s3://there-is-no-such-bucket/x/a: cannot be used" in text and "\n" not in text
    assert s3_environment["AWS_SECRET_ACCESS_KEY"] not in text


def test_check_refuses_unusable_storage(url: str) -> None:
    folder = RemoteFolder(url)
    folder.check(for_workers=False)
    assert folder.sizes() == {}
    if url.startswith("memory:"):
        with pytest.raises(ParameterError, match="this process's memory"):
            folder.check(for_workers=True)
    else:
        folder.check(for_workers=True)


def test_check_does_not_touch_existing_files(url: str) -> None:
    folder = RemoteFolder(url)
    existing = {"writable": b"mine", ".ssmi-probe": b"mine too", "writable-folder/a": b"1"}
    for name, content in existing.items():
        folder.write(name, content)
    folder.check(for_workers=False)
    assert folder.read_many(folder.sizes()) == existing


def test_unwritable_storage_is_reported_by_its_url(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    url = (tmp_path / "file").as_uri()
    with pytest.raises(MissingResourceError) as caught:
        RemoteFolder(url).check(for_workers=False)
    assert caught.value.message.startswith(f"{url}: cannot be used (")
    assert (tmp_path / "file").read_bytes() == b""


def test_missing_storage_is_not_treated_as_empty(url: str) -> None:
    folder = RemoteFolder(url)
    with pytest.raises(MissingResourceError, match="does not exist"):
        folder.check_there()
    folder.write("a/b", b"1")
    folder.check_there()
    with pytest.raises(MissingResourceError, match="a file, not a folder"):
        RemoteFolder(f"{url}/a/b").check_there()


def test_failing_to_list_a_folder_is_an_error(tmp_path: Path) -> None:
    """Also for nested folders; a name too long for the file system represents any of its failures."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"1")
    assert RemoteFolder(tmp_path.as_uri()).sizes() == {"a/b/c": 1}
    with pytest.raises(MissingResourceError, match="cannot be used"):
        RemoteFolder(tmp_path.as_uri()).sizes("x" * 300)


def test_remove_file_deletes_one_file_and_ignores_missing_ones(url: str) -> None:
    folder = RemoteFolder(url)
    for name in ("a/1", "a/2"):
        folder.write(name, b"x")
    folder.remove_file("a/1")
    folder.remove_file("a/1")
    assert folder.sizes() == {"a/2": 1}


def test_a_folder_is_opened_once(make_bucket: Callable[[], str], url: str) -> None:
    assert open_folder(url) is open_folder(url)

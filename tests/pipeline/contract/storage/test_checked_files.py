"""Files are checked against the manifest of their folder when they are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, StageReport
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage import checked_files

COMMAND = "ssmi-cli features build --dataset tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished stage with a table of a split, and a file."""
    folder = tmp_path / "artifacts" / "pmi" / "tiny"
    tables.write_rows(folder / "train" / "part-00000.parquet", schema.VOCABULARY, [{"boundary_id": 1, "word": "中国"}])
    (folder / "labels.json").write_bytes(b"{}")
    _finish(folder)
    return folder


def _finish(folder: Path) -> Manifest:
    manifest = Manifest("pmi", "tiny", {}, {}, StageReport(1, 1), manifests.describe_files(folder), 1)
    manifests.save(manifest, folder)
    return manifest


def test_unchanged_files_are_read(folder: Path) -> None:
    assert checked_files.read(folder / "labels.json") == b"{}"
    checked_files.check(folder / "train" / "part-00000.parquet")
    entry, other = checked_files.entries_of([folder / "train" / "part-00000.parquet", folder / "other"])
    assert entry is not None and entry.rows == 1
    assert other is None
    assert checked_files.hint_for(folder / "train" / "part-00000.parquet") == COMMAND


@pytest.mark.parametrize("name", ["labels.json", "train/part-00000.parquet"])
def test_changed_files_are_refused_with_their_name_and_the_command(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    for read in (checked_files.read, checked_files.check):
        with pytest.raises(StaleArtifactError, match="changed since it was written") as caught:
            read(path)
        assert str(path) in caught.value.message and caught.value.next_step == COMMAND
    (folder / "new").write_bytes(b"")
    with pytest.raises(StaleArtifactError, match="not one of the files"):
        checked_files.read(folder / "new")
    path.unlink()
    for read in (checked_files.read, checked_files.check):
        with pytest.raises(MissingResourceError, match="does not exist") as missing:
            read(path)
        assert missing.value.next_step == COMMAND
    path.mkdir()
    with pytest.raises(StaleArtifactError, match="cannot be read"):
        checked_files.read(path)


def test_a_kept_manifest_refuses_files_of_another_build(folder: Path) -> None:
    path = folder / "labels.json"
    kept = manifests.load(folder)
    path.write_bytes(b"[]")
    _finish(folder)
    assert checked_files.read(path) == b"[]"
    with pytest.raises(StaleArtifactError, match="changed since it was written"):
        checked_files.read(path, manifest=kept)


def test_without_a_manifest_nothing_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert checked_files.read(tmp_path / "a") == b"a" and checked_files.entries_of([tmp_path / "a"]) == [None]
    checked_files.check(tmp_path / "a")


def test_files_with_a_damaged_manifest_are_refused(folder: Path) -> None:
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes().replace(b"pmi", b"pmj"))
    with pytest.raises(StaleArtifactError, match=r"manifest\.json: damaged"):
        checked_files.read(folder / "labels.json")

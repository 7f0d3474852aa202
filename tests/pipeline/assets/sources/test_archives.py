from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ssmi.pipeline.assets.sources.archives import read_member
from ssmi.pipeline.contract.errors import InputDataError

BODY = "中 B-NS\n国 E-NS\n".encode()


def _tar(path: Path, *, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("pkg/words")
        entry.type, entry.linkname = kind, "/etc/hostname"
        entry.size = len(BODY) if kind == tarfile.REGTYPE else 0
        tar.addfile(entry, io.BytesIO(BODY))
    return path


def _read(archive: Path, member: str = "pkg/words", max_bytes: int = 1000) -> bytes:
    return b"".join(read_member(archive, member, max_bytes=max_bytes))


def test_a_tar_member_is_read(tmp_path) -> None:
    assert _read(_tar(tmp_path / "a.tar.gz")) == BODY


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_tar_member_that_is_not_a_file_is_refused(kind: bytes, tmp_path) -> None:
    with pytest.raises(InputDataError, match="not a regular file"):
        _read(_tar(tmp_path / "a.tar.gz", kind=kind))


def test_a_zip_link_is_refused(tmp_path) -> None:
    entry = zipfile.ZipInfo("pkg/words")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as bundle:
        bundle.writestr(entry, "/etc/hostname")
    with pytest.raises(InputDataError, match="not a regular file"):
        _read(tmp_path / "a.whl")


@pytest.mark.parametrize("nth", [0, 1])  # name in the member's local header, name in the central directory
def test_a_name_declared_as_utf_8_but_invalid_is_refused(nth: int, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as bundle:
        bundle.writestr("pkg/词", BODY)
    parts = (tmp_path / "a.whl").read_bytes().split("词".encode())
    assert len(parts) == 3
    names = ["词".encode(), "词".encode()]
    names[nth] = b"\x80\xa0\x80"
    (tmp_path / "a.whl").write_bytes(parts[0] + names[0] + parts[1] + names[1] + parts[2])
    with pytest.raises(InputDataError, match=r"a\.whl: damaged"):
        _read(tmp_path / "a.whl", "pkg/词")


def test_a_member_declared_as_encrypted_is_refused(tmp_path) -> None:
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


def test_a_truncated_archive_is_refused(tmp_path) -> None:
    content = _tar(tmp_path / "a.tar.gz").read_bytes()
    for length in (0, 3, len(content) // 2):
        (tmp_path / "b.tar.gz").write_bytes(content[:length])
        with pytest.raises(InputDataError):
            _read(tmp_path / "b.tar.gz")

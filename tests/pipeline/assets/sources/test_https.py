from __future__ import annotations

import hashlib

import pytest

from ssmi.pipeline.assets.registry import Asset, Checksum, RemoteFile
from ssmi.pipeline.assets.sources import https
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

BODY = "中 B-NS\n国 E-NS\n".encode()
SHA = hashlib.sha256(BODY).hexdigest()
TINY = Asset("tiny", "dataset", "a tiny set", "nowhere", "MIT", "put train.bmes into data/tiny/")


def _file(url: str, *, checksum: Checksum | None = None, max_bytes: int = 1000) -> RemoteFile:
    return RemoteFile("train", "train.bmes", url, checksum or Checksum("sha256", SHA), max_bytes)


@pytest.mark.parametrize(
    "checksum",
    [Checksum("sha256", SHA), Checksum("git-blob", hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest())],
    ids=lambda checksum: checksum.kind,
)
def test_a_file_is_fetched_and_checked(checksum: Checksum, server, tmp_path, reporter, cache_folder) -> None:
    target = tmp_path / "train.bmes"
    https.fetch_url(TINY, _file(server.put("/t", BODY), checksum=checksum), target, reporter=reporter)
    assert target.read_bytes() == BODY
    tasks = [(label, task.done, task.total) for label, task in reporter.tasks.items()]
    assert tasks == [("train.bmes", len(BODY), len(BODY))]


def test_git_blob_ids_are_those_of_git(tmp_path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    assert https.checksum(path, Checksum("git-blob", "")) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_file_with_another_checksum_is_refused(server, tmp_path, reporter) -> None:
    with pytest.raises(InputDataError, match="sha256 is"):
        https.fetch_url(TINY, _file(server.put("/t", BODY + b"!")), tmp_path / "t", reporter=reporter)


def test_a_file_over_the_size_limit_is_refused(server, tmp_path, reporter) -> None:
    with pytest.raises(InputDataError, match="over 10 bytes"):
        https.fetch_url(TINY, _file(server.put("/t", BODY), max_bytes=10), tmp_path / "t", reporter=reporter)


@pytest.mark.parametrize("case", ["gone", "cut", "closed", "scheme"])
def test_a_failed_download_names_the_alternatives(case: str, server, tmp_path, reporter, cache_folder) -> None:
    url = {
        "gone": server.url + "/nothing",
        "cut": server.put("/cut", BODY[:5], declared=len(BODY)),
        "closed": "http://127.0.0.1:9/t",
        "scheme": tmp_path.as_uri(),
    }[case]
    with pytest.raises(MissingResourceError, match="tiny: ") as caught:
        https.fetch_url(TINY, _file(url), tmp_path / "t", reporter=reporter)
    assert url in caught.value.message
    assert "put train.bmes into data/tiny/" in caught.value.next_step
    if case != "scheme":
        assert all(alternative in caught.value.next_step for alternative in ("(1)", "(2)", "(3)", str(cache_folder)))

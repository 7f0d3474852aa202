"""Corpora and word vectors by URL: the same as from a local folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.assets.corpora import corpus_name, find_corpus
from ssmi.pipeline.assets.vectors import find_vectors
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.remote.downloads import download
from ssmi.pipeline.remote.filesystem import RemoteFolder

TEXTS = {"a.txt": "长江\n", "deep/b.txt": "大桥\n南京\n", "notes.pdf": "x"}


@pytest.fixture
def remote(url: str) -> RemoteFolder:
    folder = RemoteFolder(f"{url}/texts/news")
    for name, text in TEXTS.items():
        folder.write(name, text.encode())
    return folder


def _texts(files: dict[str, Path]) -> dict[str, str]:
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def test_a_corpus_by_url_equals_the_corpus_of_a_folder(remote: RemoteFolder, tmp_path: Path) -> None:
    local = tmp_path / "texts" / "news"
    for name, text in TEXTS.items():
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(text, encoding="utf-8")
    expected = find_corpus("texts/news", root=tmp_path, listed=())
    for name_or_url, listed in ((remote.url, ()), ("news", (remote.url,))):
        found = find_corpus(name_or_url, root=tmp_path / "elsewhere", listed=listed)
        assert (found.name, _texts(dict(found.files))) == ("news", _texts(dict(expected.files)))
        assert "notes.pdf" in found.notes[0]
    one = find_corpus(f"{remote.url}/deep/b.txt", root=tmp_path, listed=())
    assert one.name == "b" and _texts(dict(one.files)) == {"b.txt": TEXTS["deep/b.txt"]}
    assert corpus_name(f"{remote.url}/deep/b.txt.gz", root=tmp_path) == "b"


def test_only_a_changed_corpus_is_fetched_again(remote: RemoteFolder, cache_folder: Path) -> None:
    first = download(remote.url, what="corpus", reporter=Silent())
    assert first.is_relative_to(cache_folder) and first.name == "news"
    (first / "a.txt").write_text("marked", encoding="utf-8")
    assert download(remote.url, what="corpus", reporter=Silent()) == first, "nothing has changed"
    assert (first / "a.txt").read_text(encoding="utf-8") == "marked"
    remote.write("a.txt", "长江大桥\n".encode())
    second = download(remote.url, what="corpus", reporter=Silent())
    assert second != first and (second / "a.txt").read_text(encoding="utf-8") == "长江大桥\n"
    assert not first.exists(), "the older copy is removed"


def test_vectors_are_read_by_url(url: str, tmp_path: Path) -> None:
    RemoteFolder(url).write("vectors.txt", "1 2\n长江 1 2\n".encode())
    found = find_vectors(f"{url}/vectors.txt", root=tmp_path, reporter=Silent())
    assert (found.name, found.path.read_bytes()) == ("vectors.txt", "1 2\n长江 1 2\n".encode())


def test_missing_urls_and_unknown_schemes_are_reported_with_the_parameter(url: str, tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"vocab\.vectors .*gone: does not exist"):
        find_vectors(f"{url}/gone", root=tmp_path, reporter=Silent())
    with pytest.raises(ParameterError, match="corpus nosuch://x: no storage is called nosuch"):
        find_corpus("nosuch://x", root=tmp_path, listed=())


def test_a_key_outside_the_folder_is_refused(s3_url: str, cache_folder: Path) -> None:
    """A bucket is not a file system: a key may contain anything."""
    remote = RemoteFolder(s3_url)
    remote.write("texts/../../../escaped.txt", b"x")
    with pytest.raises(InputDataError, match=r"\.\./escaped\.txt: no name for a file here"):
        download(s3_url, what="corpus", reporter=Silent())
    assert not list(cache_folder.rglob("escaped.txt"))

"""Corpora and word vectors by URL: the same as from a local folder."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class Website:
    """A file on a web server, with the headers that tell its versions apart."""

    def __init__(self, *, tells: str) -> None:
        self.body = b""
        self._tells = tells

    def headers(self) -> Iterator[tuple[str, str]]:
        yield "Content-Type", "text/plain"
        yield "Content-Length", str(len(self.body))
        match self._tells:
            case "ETag" | "Content-MD5":
                yield self._tells, f'"{zlib.crc32(self.body):x}"'
            case "Last-Modified":
                yield self._tells, formatdate(zlib.crc32(self.body), usegmt=True)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the file at any path, and yield the address."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                for name, value in site.headers():
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                with suppress(ConnectionError):  # a reader of the headers alone may hang up
                    self.wfile.write(site.body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{http.server_address[1]}"
            finally:
                http.shutdown()
                thread.join()


@pytest.mark.parametrize("tells", ["ETag", "Content-MD5", "Last-Modified", "nothing"])
@pytest.mark.usefixtures("cache_folder")
def test_a_file_on_a_website_is_fetched_again_when_it_changes(tells: str) -> None:
    site = Website(tells=tells)
    with site.served() as address:
        for text in ("1 2\n长江 1 2\n", "1 2\n长江 3 4\n"):  # of the same size
            site.body = text.encode()
            copy = download(f"{address}/vectors.txt", what="vocab.vectors", reporter=Silent())
            assert (copy.name, copy.read_text(encoding="utf-8")) == ("vectors.txt", text)


@pytest.mark.parametrize(("tells", "kept"), [("ETag", True), ("Last-Modified", True), ("nothing", False)])
@pytest.mark.usefixtures("cache_folder")
def test_a_file_on_a_website_is_kept_only_if_it_is_known_to_be_unchanged(tells: str, kept: bool) -> None:
    site = Website(tells=tells)
    site.body = "大桥\n".encode()
    with site.served() as address:
        copy = download(f"{address}/news.txt", what="corpus", reporter=Silent())
        copy.write_text("marked", encoding="utf-8")
        assert download(f"{address}/news.txt", what="corpus", reporter=Silent()) == copy
    assert copy.read_text(encoding="utf-8") == ("marked" if kept else "大桥\n")

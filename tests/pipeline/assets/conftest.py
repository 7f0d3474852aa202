"""Fixtures for the assets tests: an empty cache, a recording reporter, and an HTTP server that can misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.reporters import RecordingReporter


@dataclass
class LocalServer:
    """A local server's address and its pages: path → (status, bytes, declared length)."""

    url: str
    pages: dict[str, tuple[int, bytes, int]] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    def put(self, path: str, body: bytes, *, status: int = 200, declared: int | None = None) -> str:
        self.pages[path] = (status, body, len(body) if declared is None else declared)
        return self.url + path


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, with ``SSMI_DATA`` unset."""
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SSMI_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            local.requested.append(self.path)
            status, body, declared = local.pages.get(self.path, (404, b"", 0))
            self.send_response(status)
            self.send_header("Content-Length", str(declared))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        local = LocalServer(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield local
        http.shutdown()
        thread.join()

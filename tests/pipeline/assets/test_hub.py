"""A hub model fetched from a local hub: which files are requested, in what order, and how a pickle is handled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

COMMIT = "c" * 40
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(0x4E00 + index) for index in range(20))]

_FIND = """
import sys
from pathlib import Path
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.errors import SsmiError
class Said:
    def note(self, message): print("note:", message)
try:
    encoder = find_encoder("some/model", revision=None, root=Path(sys.argv[1]), reporter=Said())
    print(encoder.shape.type, *sorted(path.name for path in encoder.path.iterdir()))
except SsmiError as error:
    print(type(error).__name__, error)
from huggingface_hub.utils import are_progress_bars_disabled
assert are_progress_bars_disabled() == (sys.argv[2] == "hidden")
"""


class Hub:
    """The files of one model, served as the hub serves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[str] = []
        self.url = ""

    def content(self, address: str, *, with_body: bool) -> tuple[bytes, str]:
        """Content of an address (the list of files, the model's metadata, or one of its files) and its ETag."""
        files = sorted(self.folder.iterdir())
        if "/tree/" in address:
            tree = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name} for path in files
            ]
            return json.dumps(tree).encode(), "tree"
        if address.startswith("/api/"):
            siblings = [{"rfilename": path.name} for path in files]
            return json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode(), "about"
        name = address.rpartition("/")[2]
        if with_body:
            self.sent.append(name)
        return (self.folder / name).read_bytes(), name

    def handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def _answer(self, *, with_body: bool) -> None:
                body, etag = hub.content(self.path, with_body=with_body)
                self.send_response(200)
                for key, value in (
                    ("Content-Length", str(len(body))),
                    ("ETag", f'"{etag}"'),
                    ("X-Repo-Commit", COMMIT),
                ):
                    self.send_header(key, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def hub(tmp_path: Path, write_typed_encoder: Callable[..., Any]) -> Iterator[Hub]:
    write_typed_encoder(tmp_path / "served", "bert", VOCABULARY)
    (tmp_path / "served" / "tf_model.h5").write_bytes(b"of no use")
    served = Hub(tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), served.handler()) as http:
        served.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        http.shutdown()
        thread.join()


def _find(hub: Hub, tmp_path: Path, **environment: str) -> list[str]:
    """Find the model in a separate process, because the hub's library reads its settings only once."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    hub_settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "SSMI_CACHE": str(tmp_path / "cache")}
    env = {**kept, **hub_settings, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
    bars = "hidden" if env.get("HF_HUB_DISABLE_PROGRESS_BARS") == "1" else "shown"
    command = [sys.executable, "-c", _FIND, str(tmp_path), bars]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_only_safetensors_are_fetched_and_only_once(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"of no use either")
    note, encoder = _find(hub, tmp_path)
    assert note == "note: some/model: asking the model hub"
    assert encoder == "bert config.json model.safetensors vocab.txt"
    assert sorted(hub.sent) == ["config.json", "model.safetensors", "vocab.txt"]
    assert _find(hub, tmp_path, HF_HUB_OFFLINE="1") == [encoder]


def test_progress_bars_are_hidden_and_then_as_the_caller_had_set_them(hub: Hub, tmp_path: Path) -> None:
    """``_find`` checks both, with bars that are shown and with bars that the environment hides."""
    _, encoder = _find(hub, tmp_path)
    assert _find(hub, tmp_path, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1") == [encoder]


def test_a_pickle_is_fetched_and_converted_if_there_is_nothing_else(hub: Hub, tmp_path: Path) -> None:
    torch.save(load_file(hub.folder / "model.safetensors"), hub.folder / "pytorch_model.bin")
    (hub.folder / "model.safetensors").unlink()
    *notes, encoder = _find(hub, tmp_path)
    assert notes[1:] == ["note: some/model: pytorch_model.bin is converted to safetensors in the cache, once"]
    assert encoder == "bert asset.json config.json model.safetensors vocab.txt"
    assert _find(hub, tmp_path, HF_HUB_OFFLINE="1") == [encoder]


def test_an_unsupported_type_is_refused_before_its_weights_are_fetched(hub: Hub, tmp_path: Path) -> None:
    config = json.loads((hub.folder / "config.json").read_text())
    (hub.folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    assert _find(hub, tmp_path)[1].startswith("InputDataError")
    assert sorted(hub.sent) == ["config.json", "vocab.txt"]

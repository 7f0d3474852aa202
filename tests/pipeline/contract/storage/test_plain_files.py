"""Only regular files are read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_file, digest_once

READERS = (plain_files.require_plain, plain_files.read_bytes, plain_files.read_text, digest_file, digest_once)


@pytest.mark.parametrize("read", READERS)
def test_pipes_sockets_and_devices_are_refused_without_being_opened(read: object, tmp_path: Path) -> None:
    assert callable(read)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("pipe", "link", "device", "socket"):
            with pytest.raises(OSError, match="a pipe, a socket or a device") as caught:
                read(tmp_path / name)
            assert caught.value.filename == str(tmp_path / name)


def test_a_regular_file_is_read_completely(tmp_path: Path) -> None:
    body = "北京\r\n上海".encode()
    (tmp_path / "file").write_bytes(body)
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert plain_files.read_bytes(tmp_path / name) == body
        assert plain_files.read_text(tmp_path / name) == "北京\n上海"
    assert plain_files.read_bytes(Path(os.devnull)) == b""


def test_folders_and_missing_files_raise_the_errors_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        plain_files.read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        plain_files.read_text(tmp_path / "none")

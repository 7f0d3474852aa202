"""Files that are read only where they are files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_file, digest_once

READERS = (plain_files.require_plain, plain_files.read_bytes, plain_files.read_text, digest_file, digest_once)


@pytest.mark.parametrize("read", READERS)
def test_what_has_no_end_is_refused_without_being_opened(read: object, tmp_path: Path) -> None:
    assert callable(read)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("pipe", "link", "device", "socket"):
            with pytest.raises(OSError, match="a pipe, a socket or a device") as refused:
                read(tmp_path / name)
            assert refused.value.filename == str(tmp_path / name)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    body = "北京\r\n上海".encode()
    (tmp_path / "file").write_bytes(body)
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert plain_files.read_bytes(tmp_path / name) == body
        assert plain_files.read_text(tmp_path / name) == "北京\n上海"
    assert plain_files.read_bytes(Path(os.devnull)) == b""


def test_folders_and_names_of_nothing_fail_in_the_words_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        plain_files.read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        plain_files.read_text(tmp_path / "none")

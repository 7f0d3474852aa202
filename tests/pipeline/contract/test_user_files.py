"""Files that a user names: checked for existence and kind, and not opened before they are read."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.user_files import open_once, read_bytes, require_file


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\x00")
    require_file(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_bytes(link) == read_bytes(path) == b"\xff\x00"


@pytest.mark.parametrize("name", ["none", "a.txt/b", "dangling"])
def test_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(MissingResourceError) as caught:
        read_bytes(tmp_path / name, what="list", where="some.key")
    assert caught.value.message == f"list {tmp_path / name}: no such file"
    assert caught.value.next_step == "correct some.key"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="a folder, where a file is expected") as caught:
        require_file(tmp_path)
    assert caught.value.next_step == "correct its name"


@pytest.mark.parametrize(
    ("several", "expected"),
    [(False, "name a file in it, for example '{}/a.txt'"), (True, "name the files in it, for example '{}'/*.jsonl.gz")],
)
def test_the_next_step_of_a_folder_names_files_in_it(tmp_path: Path, several: bool, expected: str) -> None:
    folder = tmp_path / "my texts"
    (folder / "inner").mkdir(parents=True)
    for name in (".hidden", "a.txt", "b.jsonl.gz", "c.jsonl.gz"):
        (folder / name).write_bytes(b"")
    with pytest.raises(InputDataError) as caught:
        require_file(folder, pipes=several)
    assert caught.value.next_step == expected.format(folder)
    with pytest.raises(InputDataError) as caught:
        require_file(folder, where="some.key")
    assert caught.value.next_step == "correct some.key"


def test_invalid_file_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "loop", tmp_path / ("x" * 300), Path("a\0b")):
        with pytest.raises(InputDataError, match="cannot be read"):
            require_file(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(InputDataError, match=r"cannot be read \(Permission denied\)"):
        require_file(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can be opened and not read")
def test_an_error_while_reading_is_reported() -> None:
    with pytest.raises(InputDataError, match=r"/proc/self/mem: cannot be read \(Input/output error\)"):
        read_bytes(Path("/proc/self/mem"))


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    require_file(pipe, pipes=True)  # opening the pipe would block until a writer opens it
    for call in (require_file, read_bytes):
        with pytest.raises(InputDataError, match=r"a pipe, where a file is expected that can be read twice"):
            call(pipe)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # socket paths must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(InputDataError, match="socket: a socket, where a file is expected"):
            require_file(Path("socket"), pipes=True)


def test_a_regular_file_is_opened_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    notes: list[str] = []
    with open_once(tmp_path / "a.txt", note=notes.append) as stream:
        assert stream.read() == b"a" and notes == []


@pytest.mark.parametrize("content", [b"", b"a" * 200_000])
def test_a_pipe_is_waited_for_and_read_to_its_end(tmp_path: Path, content: bytes) -> None:
    """The writer starts only after the reader has reported that it is waiting."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    notes: list[str] = []

    def note(message: str) -> None:
        notes.append(message)
        threading.Thread(target=pipe.write_bytes, args=(content,)).start()

    with open_once(pipe, note=note) as stream:
        assert stream.read() == content
    assert notes == [f"{pipe}: waiting for data on the pipe"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero", "/dev/urandom"])
def test_devices_are_refused(tmp_path: Path, device: str) -> None:
    link = tmp_path / "train.bmes"
    link.symlink_to(device)
    for path in (Path(device), link):
        with pytest.raises(InputDataError, match=f"{path}: a device, where a file is expected"):
            read_bytes(path)


def test_the_null_device_is_an_empty_file() -> None:
    assert read_bytes(Path(os.devnull)) == b""

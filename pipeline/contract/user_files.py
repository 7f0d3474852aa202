"""Files that a user names: the same condition raises the same error, whatever reads the file."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_NOTICED_SECONDS = 1.0
"""Time to wait for the first writer to a pipe before the wait is reported."""


def refuse_lfs_pointer(head: bytes, name: Path | str) -> None:
    """Raise InputDataError for the few lines that a clone without Git LFS holds in place of a large file."""
    if head.startswith(_LFS_POINTER):
        raise InputDataError(
            f"{name}: a Git LFS pointer, not the file itself",
            next_step="fetch the file in its repository: git lfs pull",
        )


def refuse_lfs_file(path: Path) -> None:
    """Raise the errors of ``refuse_lfs_pointer`` for a file, and OSError if it cannot be read."""
    with path.open("rb") as file:
        refuse_lfs_pointer(file.read(len(_LFS_POINTER)), path)


def require_file(path: Path, *, what: str = "", where: str = "", pipes: bool = False) -> None:
    """Refuse a path that is not a readable file. Files and pipes are not opened for the check.

    Args:
        path: The file; a terminal and ``/dev/null`` are accepted too.
        what: What the file holds, such as ``user dictionary``; precedes the path in the message.
        where: What named the file, such as a parameter.
        pipes: Whether to accept a pipe too, which can be read only once and may never be written into.

    Raises:
        MissingResourceError: The path does not exist.
        InputDataError: The path is a folder, a device, a socket or a pipe, or cannot be read.

    """
    name = f"{what} {path}" if what else str(path)
    correct = f"correct {where}" if where else "correct its name"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingResourceError(f"{name}: no such file", next_step=correct) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise InputDataError(
            f"{name}: a folder, where a file is expected", next_step=correct if where else _files_in(path, all_of=pipes)
        )
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not _ends(path)):
        raise InputDataError(f"{name}: a device, where a file is expected", next_step=correct)
    if stat.S_ISSOCK(mode) or (stat.S_ISFIFO(mode) and not pipes):
        kind = "a socket" if stat.S_ISSOCK(mode) else "a pipe"
        raise InputDataError(
            f"{name}: {kind}, where a file is expected that can be read twice", next_step="write it into a file first"
        )
    # Checked without opening: opening and closing a pipe (`<(zcat a.gz)`) would end the process that writes into it.
    if not os.access(path, os.R_OK):
        raise InputDataError(f"{name}: cannot be read (Permission denied)", next_step="change its permissions")


def _files_in(folder: Path, *, all_of: bool) -> str:
    """Return the next step of a folder given for a file: to name a file in it, or with ``all_of`` all of a kind."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    except OSError:
        files = []
    if not files:
        return "correct its name"
    (ending, _), *_ = Counter("".join(path.suffixes) for path in files).most_common(1)
    example = f"{quote(str(folder))}/*{ending}" if all_of else quote(str(files[0]))
    return f"name {'the files' if all_of else 'a file'} in it, for example {example}"


def _ends(device: Path) -> bool:
    """Whether reading a device comes to an end; for ``/dev/zero`` and ``/dev/full`` it does not."""
    if os.path.samestat(device.stat(), Path(os.devnull).stat()):
        return True
    try:
        with device.open("rb", buffering=0) as stream:
            return stream.isatty()
    except OSError:
        return True  # the error of a later read says why


def open_once(path: Path, *, note: Callable[[str], object]) -> BinaryIO:
    """Open a file or a pipe to read it once; wait for the first writer to a pipe, and report the wait.

    Args:
        path: A path that ``require_file`` accepts with ``pipes``.
        note: Called with a message if nothing has been written into the pipe yet.
    """
    if sys.platform != "linux" or not stat.S_ISFIFO(path.stat().st_mode):
        return path.open("rb")
    # Opened without blocking, and read only once there is data: before the first writer, a read would report the end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(1000 * _NOTICED_SECONDS):
        note(f"{path}: waiting for data on the pipe")
        poll.poll()
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def unreadable(path: Path | str, error: Exception) -> InputDataError:
    """Return the error for a file that exists but cannot be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputDataError(f"{path}: cannot be read ({reason})", next_step="give a readable file")


def read_bytes(path: Path, *, what: str = "", where: str = "") -> bytes:
    """Read a whole file. Arguments and errors are those of ``require_file``, with InputDataError if reading fails."""
    require_file(path, what=what, where=where)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    refuse_lfs_pointer(content, path)
    return content

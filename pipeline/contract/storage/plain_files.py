"""Files that are read only where they are files: a pipe that lies in the place of one would be waited for, for ever."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def require_plain(path: Path) -> None:
    """Refuse what is there and is neither a file nor a folder, nor ``/dev/null``, without opening it.

    Raises:
        OSError: There is nothing, or a pipe, a socket or a device, which may have no end.
    """
    status = path.stat()
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):  # to open a folder fails in the system's words
        return
    if not os.path.samestat(status, Path(os.devnull).stat()):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, where a file is expected", str(path))


def open_plain(path: Path) -> BufferedReader:
    """Open a file to read it; raises as ``require_plain``."""
    require_plain(path)
    return path.open("rb")


def read_bytes(path: Path) -> bytes:
    """The whole of a file; raises as ``require_plain``."""
    with open_plain(path) as stream:
        return stream.read()


def read_text(path: Path) -> str:
    """The whole of a file in UTF-8, its line ends as Python's. Raises as ``require_plain``, and UnicodeDecodeError."""
    require_plain(path)
    return path.read_text(encoding="utf-8")

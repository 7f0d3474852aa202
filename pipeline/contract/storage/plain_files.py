"""Reading of files that are checked to be files: reading a pipe in place of a file would wait forever."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def require_plain(path: Path) -> None:
    """Refuse a path that is not a file, a folder or ``/dev/null``, without opening it.

    Raises:
        OSError: The path does not exist, or is a pipe, a socket or a device, which may have no end.
    """
    status = path.stat()
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):  # opening a folder raises the system's error
        return
    if not os.path.samestat(status, Path(os.devnull).stat()):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, where a file is expected", str(path))


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading; raises the errors of ``require_plain``."""
    require_plain(path)
    return path.open("rb")


def read_bytes(path: Path) -> bytes:
    """Read a whole file; raises the errors of ``require_plain``."""
    with open_plain(path) as stream:
        return stream.read()


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file with universal newlines; raises as ``require_plain`` does, and UnicodeDecodeError."""
    require_plain(path)
    return path.read_text(encoding="utf-8")

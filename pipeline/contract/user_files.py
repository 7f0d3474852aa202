"""A file that a user names: the same error for the same condition, whatever reads it."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

_NOTICED_SECONDS = 1.0
"""A pipe that is written into sooner is not told of."""


def require_file(path: Path, *, what: str = "", where: str = "", pipes: bool = False) -> None:
    """Refuse a path that is not a file that can be opened, without opening it.

    Args:
        path: The file; a terminal and ``/dev/null`` pass too.
        what: What the file holds, before it in the message: ``user dictionary``.
        where: What named the file: a parameter.
        pipes: Whether a pipe passes too, which can be read once and may never be written into.

    Raises:
        MissingResourceError: There is nothing at the path.
        InputDataError: It is a folder, a device, a socket or a pipe, or its permissions do not let it be read.

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
        raise InputDataError(f"{name}: a folder, where a file is expected", next_step=correct)
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not _ends(path)):
        raise InputDataError(f"{name}: a device, where a file is expected", next_step=correct)
    if stat.S_ISSOCK(mode) or (stat.S_ISFIFO(mode) and not pipes):
        kind = "a socket" if stat.S_ISSOCK(mode) else "a pipe"
        raise InputDataError(
            f"{name}: {kind}, where a file is expected that can be read twice", next_step="write it into a file first"
        )
    # Asked, not tried: to open a pipe (`<(zcat a.gz)`) and close it again would end whoever writes into it.
    if not os.access(path, os.R_OK):
        raise InputDataError(f"{name}: cannot be read (Permission denied)", next_step="change its permissions")


def _ends(device: Path) -> bool:
    """Whether what is read from a device has an end: of ``/dev/zero`` and ``/dev/full`` it has none."""
    if os.path.samestat(device.stat(), Path(os.devnull).stat()):
        return True
    try:
        with device.open("rb", buffering=0) as stream:
            return stream.isatty()
    except OSError:
        return True  # whoever reads it says why it cannot be read


def open_once(path: Path, *, note: Callable[[str], object]) -> BinaryIO:
    """Open a file or a pipe to read it once; a pipe is waited for, and a person told so.

    Args:
        path: Of what ``require_file`` lets pass with ``pipes``.
        note: Told that nobody has written into the pipe yet.
    """
    if sys.platform != "linux" or not stat.S_ISFIFO(path.stat().st_mode):
        return path.open("rb")
    # Opened at once and read from only when there is something: before a first writer, reading would find an end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(1000 * _NOTICED_SECONDS):
        note(f"{path}: a pipe that nobody has written into yet; waiting")
        poll.poll()
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def unreadable(path: Path | str, error: Exception) -> InputDataError:
    """The error for a file that is there and whose bytes the system does not give."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputDataError(f"{path}: cannot be read ({reason})", next_step="give a readable file")


def read_bytes(path: Path, *, what: str = "", where: str = "") -> bytes:
    """The whole of a file. Takes and raises what ``require_file`` does, and InputDataError where reading fails."""
    require_file(path, what=what, where=where)
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error

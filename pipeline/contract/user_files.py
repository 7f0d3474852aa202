"""A file that a user names: the same error for the same condition, whatever reads it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError


def require_file(path: Path, *, what: str = "", where: str = "") -> None:
    """Refuse a path that is not a file that can be opened, without opening it.

    Args:
        path: The file; a pipe, a terminal and ``/dev/null`` pass too.
        what: What the file holds, before it in the message: ``user dictionary``.
        where: What named the file: a parameter.

    Raises:
        MissingResourceError: There is nothing at the path.
        InputDataError: It is a folder or a device, or its permissions do not let it be read.

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

"""Writing of safetensors files: the library's own errors and permissions, made those of any other file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")


@contextmanager
def saving_tensors(path: Path) -> Iterator[None]:
    """Let safetensors save a file in the body; afterwards it is on disk (``fsync``) with the usual permissions.

    safetensors may write another file, which only its owner can read, and put it in the place of ``path``. So ``path``
    must not be a file that ``replacing.writing`` holds: no lock would protect the new one.

    Raises:
        OSError: Of the operating system, such as a full disk, which safetensors reports only as text.

    """
    path.touch()
    permissions = stat.S_IMODE(path.stat().st_mode)
    try:
        yield
    except SafetensorError as error:
        refused = _OF_THE_SYSTEM.search(str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    path.chmod(permissions)
    with path.open("rb+") as file:
        os.fsync(file.fileno())

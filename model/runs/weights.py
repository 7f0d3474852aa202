"""Tensors on disk, in safetensors files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from ssmi.pipeline.contract.storage import plain_files

_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")


def read(path: Path, *, sha256: str) -> dict[str, Tensor]:
    """Read tensors and verify the digest of their file.

    Raises OSError if the file cannot be read, ValueError if its digest differs, and SafetensorError if it is not a
    safetensors file.
    """
    content = plain_files.read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("changed since it was written")
    return load(content)


def write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors from any device to disk (``fsync``), in a file with the usual permissions.

    safetensors may write another file, which only its owner can read, and put it in the place of ``path``. So ``path``
    must not be a file that ``replacing.writing`` holds: no lock would protect the new one.

    Raises OSError for errors of the operating system, such as a full disk, which safetensors reports only as text.
    """
    path.touch()
    permissions = path.stat().st_mode
    try:
        # safetensors refuses tensors that are not contiguous.
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        refused = _OF_THE_SYSTEM.search(str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    path.chmod(permissions)
    with path.open("rb+") as file:
        os.fsync(file.fileno())

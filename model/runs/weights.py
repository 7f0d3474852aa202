"""Tensors on disk, as safetensors."""

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
    """Read tensors that must be those that were written.

    Raises OSError where the file cannot be read, ValueError where its digest is another, SafetensorError where it is
    none of tensors.
    """
    content = plain_files.read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("changed since it was written")
    return load(content)


def write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors of any device.

    Raises OSError for what the system refuses, a full disk say, which safetensors only tells in words.
    """
    try:
        # safetensors refuses tensors that are not contiguous.
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        refused = _OF_THE_SYSTEM.search(str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(path)) from error

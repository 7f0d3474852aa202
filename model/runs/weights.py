"""Tensors on disk, in safetensors files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load, save_file
from torch import Tensor

from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.tensor_files import saving_tensors


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
    """Write tensors from any device to disk; raises OSError, and holds ``path`` to the rule of ``saving_tensors``."""
    with saving_tensors(path):
        # safetensors refuses tensors that are not contiguous.
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)

"""Tensors on disk, as safetensors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")


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

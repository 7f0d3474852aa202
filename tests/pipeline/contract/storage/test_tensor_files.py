"""safetensors files: permissions as of any other file, and errors of the operating system as OSError."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ssmi.pipeline.contract.storage.tensor_files import saving_tensors


def test_a_saved_file_has_the_permissions_of_other_files(tmp_path: Path) -> None:
    path, other = tmp_path / "model.safetensors", tmp_path / "other"
    other.touch()
    with saving_tensors(path):
        save_file({"weight": numpy.arange(3)}, path)
    assert path.stat().st_mode == other.stat().st_mode
    assert load_file(path)["weight"].tolist() == [0, 1, 2]
    assert sorted(tmp_path.iterdir()) == [path, other]


def test_errors_of_the_system_are_told_from_others(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(OSError, match=r"model\.safetensors") as raised, saving_tensors(path):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert raised.value.errno == errno.ENOSPC
    with pytest.raises(SafetensorError, match="invalid header"), saving_tensors(path):
        raise SafetensorError("invalid header")

"""Tensors on disk."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ssmi.model.runs import weights
from ssmi.pipeline.contract.storage.digests import digest_file

SCRIPT_WITH_FILE_SIZE_LIMIT = """
import resource, signal, sys
from pathlib import Path
import pytest
import torch
from ssmi.model.runs import weights
from ssmi.pipeline.contract.storage.digests import digest_file

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    weights.write({"a": torch.zeros(10_000)}, Path(sys.argv[1]))
except OSError as error:
    print(error.errno, error.filename)
"""


def test_tensors_are_read_back_unchanged(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.tensor([7])}
    weights.write(tensors, tmp_path / "w.safetensors")
    read = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items()) and read.keys() == tensors.keys()


def test_system_errors_are_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    command = [sys.executable, "-c", SCRIPT_WITH_FILE_SIZE_LIMIT, str(path)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout == f"{errno.EFBIG} {path}\n"


def test_changed_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    weights.write({"a": torch.arange(3)}, path)
    digest = digest_file(path)
    assert weights.read(path, sha256=digest)["a"].tolist() == [0, 1, 2]
    original = path.read_bytes()
    for place in range(len(original)):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        with pytest.raises(ValueError, match="changed since it was written"):
            weights.read(path, sha256=digest)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        weights.read(path, sha256=digest)

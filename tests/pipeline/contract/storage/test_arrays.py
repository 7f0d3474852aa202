"""Arrays on disk are checked and then mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, StageReport
from ssmi.pipeline.contract.storage.arrays import map_array

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An array in a finished stage."""
    folder = tmp_path / "artifacts" / "vocab"
    folder.mkdir(parents=True)
    np.save(folder / "vectors.npy", ARRAY)
    files = manifests.describe_files(folder)
    manifests.save(Manifest("vocab", None, {}, {}, StageReport(1, 1), files, 1), folder)
    return folder / "vectors.npy"


def test_an_array_is_mapped_as_it_was_written(path: Path) -> None:
    array = map_array(path)
    np.testing.assert_array_equal(array, ARRAY)
    assert type(array) is np.ndarray and not array.flags.writeable
    writeable = map_array(path, writeable=True)
    writeable[0, 0] = 99
    np.testing.assert_array_equal(map_array(path), ARRAY)


def test_any_changed_byte_is_detected(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        with pytest.raises(StaleArtifactError, match=r"vectors\.npy: changed since it was written"):
            map_array(path)
    path.unlink()
    with pytest.raises(MissingResourceError, match="does not exist"):
        map_array(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x01\x00\x04\x00{{{{",
        b"\x93NUMPY\x01\x00\x0e\x00{'shape': (07)",
        b"\x93NUMPY\x01\x00\x4d\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9" + b"9" * 20 + b",)}   ",
        b"\x93NUMPY\x01\x00\xe8\x03" + 1000 * b"(",
        b"\x93NUMPY\x01\x00\x36\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9,)}",
    ],
)
def test_invalid_arrays_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(StaleArtifactError, match="no array"):
        map_array(tmp_path / "a.npy")


def test_an_empty_array_is_read_instead_of_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY[:0])
    assert map_array(tmp_path / "a.npy").shape == (0, 4)

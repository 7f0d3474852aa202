"""The file that stores the map from BERT's space to the vocabulary's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.features.alignment import fit_alignment
from ssmi.pipeline.lexicon.alignment_file import open_alignment, save_alignment


def test_a_saved_alignment_is_read_and_written_identically(rng: np.random.Generator, tmp_path: Path) -> None:
    sources, targets = rng.normal(size=(60, 5)).astype(np.float32), rng.normal(size=(60, 4)).astype(np.float32)
    alignment = fit_alignment(sources, targets, ridge=1.0, seed=1)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_alignment(alignment, first)
    opened = open_alignment(first)
    assert opened.apply(sources).tobytes() == alignment.apply(sources).tobytes()
    save_alignment(opened, second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("changed", [{"mean": 1}, {"scale": 6}, {"offset": 5}])
def test_arrays_of_inconsistent_shapes_are_refused(tmp_path: Path, changed: dict[str, int]) -> None:
    sizes = {"mean": 5, "scale": 5, "offset": 4, **changed}
    arrays = {"weights": np.zeros((5, 4)), **{name: np.zeros(size) for name, size in sizes.items()}}
    save_file(arrays, tmp_path / "alignment.safetensors")
    with pytest.raises(StaleArtifactError, match=r"not a map between.*do not fit each other"):
        open_alignment(tmp_path / "alignment.safetensors")


@pytest.mark.parametrize("content", [b"", b"no map", None])
def test_a_file_without_an_alignment_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "alignment.safetensors"
    if content is None:
        save_file({"other": np.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(StaleArtifactError, match="not a map between"):
        open_alignment(path)
    with pytest.raises(MissingResourceError, match=r"missing\.safetensors"):
        open_alignment(tmp_path / "missing.safetensors")

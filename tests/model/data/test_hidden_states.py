"""Stored states of the frozen encoder: intact and damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import StaleArtifactError


@pytest.mark.parametrize("name", ["hidden", "specials"])
@pytest.mark.parametrize("damage", ["missing", "too short", "float32", "not an array"])
def test_unusable_state_files_are_refused(shards: Path, reseal: Callable[..., None], damage: str, name: str) -> None:
    path = shards / "train" / f"part-00001.{name}.npy"
    states = np.load(path)
    path.unlink()
    if damage == "too short":
        np.save(path, states[:-1])
    elif damage == "float32":
        np.save(path, states.astype(np.float32))
    elif damage == "not an array":
        path.write_text("none", encoding="utf-8")
    reseal(shards)
    opened = open_shards(shards)
    required = RequiredFeatures(best=True, hidden=True, special_states=name == "specials")
    with pytest.raises(StaleArtifactError, match=rf"part-00001\.{name}\.npy.*shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, required=required)


def test_each_window_has_its_cls_and_sep_states(shards: Path) -> None:
    opened = open_shards(shards)
    required = RequiredFeatures(hidden=True, special_states=True)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required)
    assert split.special_states is not None
    files = sorted((shards / "train").glob("*.specials.npy"))
    stored = np.concatenate([np.load(file) for file in files])
    assert [len(np.load(file)) for file in files] == [3, 3, 3, 3]  # only the tenth sentence has three windows
    counts = np.diff(split.window_offsets)
    all_states = split.special_states.gather(np.arange(10), counts=counts)
    assert all_states.dtype == torch.float32 and all_states.numpy().astype(np.float16).tobytes() == stored.tobytes()
    rows = np.array([9, 2, 4])
    picked = split.special_states.gather(rows, counts=counts[rows])
    assert torch.equal(picked, all_states[[9, 10, 11, 2, 4]])


def test_an_empty_split_has_no_states(tmp_path: Path, write_shards: Callable[..., Path]) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": []}, hidden=True))
    required = RequiredFeatures(hidden=True, special_states=True)
    for name in ("train", "dev"):  # one part without rows, and no part at all
        split = read_split(opened, name, boundaries=opened.boundaries, required=required)
        assert split.hidden is not None and split.special_states is not None
        assert len(split.hidden.start) == len(split.special_states.start) == len(split) == 0

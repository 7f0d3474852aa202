"""Stored states of the frozen encoder, whole and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmi.model.data.shards import RequiredFeatures, open_shards, read_split
from ssmi.pipeline.contract.errors import StaleArtifactError


@pytest.mark.parametrize("damage", ["missing", "too short", "float32", "not an array"])
def test_hidden_states_that_do_not_fit(shards: Path, damage: str) -> None:
    path = shards / "train" / "part-00001.hidden.npy"
    states = np.load(path)
    path.unlink()
    if damage == "too short":
        np.save(path, states[:-1])
    elif damage == "float32":
        np.save(path, states.astype(np.float32))
    elif damage == "not an array":
        path.write_text("none", encoding="utf-8")
    opened = open_shards(shards)
    with pytest.raises(StaleArtifactError, match=r"part-00001\.hidden\.npy.*shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True, hidden=True))

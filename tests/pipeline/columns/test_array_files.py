"""Array files are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.columns.array_files import save_array


def test_an_array_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    save_array(tmp_path / "ids.npy", np.arange(5))
    assert np.load(tmp_path / "ids.npy").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="allow_pickle"):
        save_array(tmp_path / "ids.npy", np.array([{}], dtype=object))
    assert [path.name for path in tmp_path.iterdir()] == ["ids.npy"]
    assert np.load(tmp_path / "ids.npy").tolist() == [0, 1, 2, 3, 4]

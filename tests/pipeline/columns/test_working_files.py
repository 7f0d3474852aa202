"""A folder for the tasks of one stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.columns.working_files import save_array, working_folder


def test_it_is_empty_and_gone_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "kept.parquet").touch()
    with working_folder(tmp_path) as folder:
        assert folder.parent == tmp_path and list(folder.iterdir()) == []
        (folder / "counts").touch()
    with working_folder(tmp_path) as again:
        assert list(again.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["kept.parquet"]


def test_it_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), working_folder(tmp_path) as folder:
        (folder / "counts").touch()
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_an_array_is_whole_or_not_there(tmp_path: Path) -> None:
    save_array(tmp_path / "ids.npy", np.arange(5))
    assert np.load(tmp_path / "ids.npy").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="allow_pickle"):
        save_array(tmp_path / "ids.npy", np.array([{}], dtype=object))
    assert [path.name for path in tmp_path.iterdir()] == ["ids.npy"]
    assert np.load(tmp_path / "ids.npy").tolist() == [0, 1, 2, 3, 4]

"""A folder for the tasks of one stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.columns.working_folder import working_folder


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

"""A picture that cannot be written is refused by its path, before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssmi
from ssmi.charts.pictures import check_picture
from ssmi.model.evaluation.calibration import calibrate


@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.b.svg"])
def test_pictures_are_accepted(tmp_path: Path, name: str) -> None:
    check_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"), [("a.gif", "must end in .svg or .png"), ("a", "must end in"), ("no/a.svg", "no folder")]
)
def test_other_files_are_refused_and_nothing_is_written(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / name
    with pytest.raises(ssmi.ParameterError, match=message) as raised:
        check_picture(path)
    assert raised.value.message.startswith(f"{path}: ") and raised.value.next_step
    with pytest.raises(ssmi.ParameterError, match=message):
        ssmi.plot_reliability(calibrate([(0.5, True)]), str(path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(ssmi.ParameterError, match="a folder, where a file"):
        ssmi.plot_reliability(calibrate([(0.5, True)]), tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]

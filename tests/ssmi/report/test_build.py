"""history.csv is read, or refused with the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.report.build import read_history
from ssmi.report.figures import Epoch

HEAD = "epoch,train_loss,dev_precision,dev_recall,dev_f1\n"


def test_each_row_is_an_epoch(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HEAD + "1,2.5,0.5,0.25,0.33\n", encoding="utf-8")
    assert read_history(file) == [Epoch(1, 2.5, 0.5, 0.25, 0.33)]


def test_a_file_that_does_not_exist_has_no_epochs(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []


@pytest.mark.parametrize("content", ["epoch\n1\n", HEAD + "1\n", HEAD + "1,a,b,c,d\n"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "history.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="not a history of this version") as caught:
        read_history(file)
    assert "train again" in caught.value.next_step

"""metrics.json: scores come back; a file that is not one is refused with its path and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssmi.model.runs import metrics_file
from ssmi.pipeline.contract.errors import StaleArtifactError


def test_scores_come_back(tmp_path: Path) -> None:
    body = {"dev": {"f1": 0.5, "gold": 3, "by_type": {}}, "test": {"f1": 1, "gold": 4}}
    (tmp_path / "metrics.json").write_text(json.dumps(body), encoding="utf-8")
    assert metrics_file.read(tmp_path, numbers=("f1", "gold")) == body


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"dev": {"f1": 0.', "Expecting|delimiter|Unterminated"),
        (b"\xff\xfe", "decode"),
        (b"[]", "not the scores of splits"),
        (b'{"dev": 1}', "not the scores of splits"),
        (b'{"dev": {"f1": "much"}, "test": {}}', r"no number at dev\.f1, test\.f1"),
    ],
)
def test_what_is_no_scores_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(StaleArtifactError, match=said) as caught:
        metrics_file.read(tmp_path)
    assert str(tmp_path / "metrics.json") in caught.value.message
    assert str(tmp_path) in caught.value.next_step


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StaleArtifactError, match="No such file"):
        metrics_file.read(tmp_path)

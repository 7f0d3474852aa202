"""metrics.json: scores are read back unchanged; other files are refused with their path and a remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.runs.results import metrics_file, result_files
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.pipeline.contract.errors import StaleArtifactError

counts = st.tuples(st.integers(0, 99), st.integers(0, 99)).flatmap(
    lambda sides: st.builds(EntityCounts, st.just(sides[0]), st.just(sides[1]), st.integers(0, min(sides)))
)
by_name = st.dictionaries(st.sampled_from(["人名", "LOC", "ORG.NAM"]), counts)
scores = st.builds(Scores, counts, by_name, by_name, counts, st.integers(0, 9), st.integers(0, 9))
SCORES = Scores(EntityCounts(4, 2, 1), {"PER": EntityCounts(4, 2, 1)}, {}, EntityCounts(4, 2, 2), 3, 7)


@given(by_split=st.dictionaries(st.sampled_from(["dev", "test"]), scores))
def test_scores_are_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, by_split: dict[str, Scores]) -> None:
    run = tmp_path_factory.mktemp("run")
    metrics_file.write(run, RunMetrics(by_split))
    assert metrics_file.read(run) == RunMetrics(by_split)


def test_metrics_and_headline_are_written(tmp_path: Path) -> None:
    metrics_file.write(tmp_path, RunMetrics({"test": SCORES}))
    body = {"test": SCORES.to_json()}
    assert (tmp_path / "metrics.json").read_bytes() == (json.dumps(body, indent=1) + "\n").encode()
    assert (tmp_path / "headline.json").read_text() == (
        '{\n "test": {\n  "precision": 0.5,\n  "recall": 0.25,\n  "f1": 0.3333333333333333\n }\n}\n'
    )


def _with(**changes: Any) -> bytes:
    return json.dumps({"dev": {**SCORES.to_json(), **changes}}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"dev": {"f1": 0.', "Expecting|delimiter|Unterminated"),
        (b"\xff\xfe", "decode"),
        (b"[]", "the file: expected keys with values"),
        (b'{"dev": 1}', r"dev: expected keys with values"),
        (b'{"dev": {"f1": 0.5}}', r"dev\.gold: missing.*dev\.by_type: missing"),
        (_with(f1="much"), r"dev\.f1: "),
        (_with(gold="4"), r"dev\.gold: "),
        (_with(by_type={"PER": {"f1": 1.0}}), r"dev\.by_type\.PER\.gold: "),
        (_with(kappa=1), r"dev\.kappa: unknown key"),
    ],
)
def test_invalid_scores_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "metrics.json").write_bytes(content)
    result_files.write(tmp_path, metrics=content)
    with pytest.raises(StaleArtifactError, match=message) as caught:
        metrics_file.read(tmp_path)
    assert str(tmp_path / "metrics.json") in caught.value.message
    assert str(tmp_path) in caught.value.next_step


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StaleArtifactError, match="No such file"):
        metrics_file.read(tmp_path)

"""Data sets of the kinds that users have, in ``ssmi-cli features prepare`` and ``ssmi-cli data check``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROWS = "李 B-PER\n明 I-PER\n在 O\n京 B-LOC\n\n好 O\n\n"


@pytest.fixture
def data(fresh_project: Any) -> Path:
    """The folder of a data set named ``own``."""
    folder: Path = fresh_project.root / "data" / "own"
    folder.mkdir(parents=True)
    return folder


def read_prepared(project: Any, *, split: str = "train") -> list[tuple[str, list[str]]]:
    parts = sorted((project.root / "artifacts" / "prepare" / "own" / split).glob("part-*.parquet"))
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    return [
        ("".join(row["characters"]), ["".join(row["characters"][e["start"] : e["end"]]) for e in row["entities"]])
        for row in rows
    ]


def test_decisions_about_files_are_reported(fresh_project: Any, data: Path) -> None:
    (data / "train.bio").write_text("用 O\nLinux B-X\n。 O\n\n# note: 1\n京 B_x\n\n", encoding="utf-8")
    (data / "valid.bio").write_text(ROWS, encoding="utf-8")
    (data / "holdout.txt").write_text(ROWS, encoding="utf-8")
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 0, outcome.stderr
    assert "prepare: not read: holdout.txt" in outcome.stderr
    assert "prepare: train.bio: another sign between role and type is read as a dash" in outcome.stderr
    assert "repaired or left out: 1 token-of-several-characters (first in line 2), 1 comment (first in line 5)" in (
        outcome.stderr
    )
    assert "prepare: entity types that differ in case only: X, x" in outcome.stderr
    assert read_prepared(fresh_project) == [("用Linux。", ["Linux"]), ("京", ["京"])]
    assert read_prepared(fresh_project, split="dev")[0] == ("李明在京", ["李明", "京"])


def test_an_encoding_is_set_by_option_or_dataset_yaml(fresh_project: Any, data: Path) -> None:
    (data / "train.bio").write_bytes(ROWS.encode("gb18030"))
    (data / "dev.bio").write_bytes(ROWS.encode("gb18030"))
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 3
    assert "train.bio:1: not UTF-8" in outcome.stderr and "`encoding: gb18030`" in outcome.stderr

    check = fresh_project.ssmi("data", "check", "--dataset", "own", "--encoding", "gb18030", "--json")
    assert check.code == 0, check.stderr
    assert json.loads(check.stdout)["splits"]["train"]["entities"] == {"LOC": 1, "PER": 1}
    misspelt = fresh_project.ssmi("data", "check", "--dataset", "own", "--encoding", "gb18031")
    assert misspelt.code == 2 and "did you mean 'gb18030'" in misspelt.stderr
    (data / "dataset.yaml").write_text("encoding: gb18031\n")
    assert fresh_project.ssmi("data", "check", "--dataset", "own").code == 3

    (data / "dataset.yaml").write_text("encoding: gb18030\n")
    assert fresh_project.ssmi("features", "prepare", "--dataset", "own").code == 0
    assert read_prepared(fresh_project)[0] == ("李明在京", ["李明", "京"])
    manifest = fresh_project.root / "artifacts" / "prepare" / "own" / "manifest.json"
    assert "raw/dataset.yaml" in json.loads(manifest.read_text())["inputs"]


def test_utf16_offsets_are_read_if_declared(fresh_project: Any, data: Path) -> None:
    row = {"text": "😀😀李建国在东海市工作", "label": [[4, 7, "PER"], [8, 11, "LOC"]]}
    (data / "train.jsonl").write_text(json.dumps(row) + "\n")
    (data / "dev.jsonl").write_text(json.dumps(row) + "\n")
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 0 and "train.jsonl:1), whose offsets are read as code points" in outcome.stderr
    check = fresh_project.ssmi("data", "check", "--dataset", "own", "--offsets", "utf16")
    assert check.code == 0 and "code points" not in check.stdout
    (data / "dataset.yaml").write_text("offsets: utf16\n")
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 0 and "code points" not in outcome.stderr
    assert read_prepared(fresh_project) == [("😀😀李建国在东海市工作", ["李建国", "东海市"])]


def test_the_check_reports_unread_files_and_similar_types(fresh_project: Any, data: Path) -> None:
    (data / "train.bio").write_text(ROWS, encoding="utf-8")
    (data / "test.bio").write_text(ROWS.replace("PER", "Per"), encoding="utf-8")
    (data / "more.bio").write_text(ROWS, encoding="utf-8")
    outcome = fresh_project.ssmi("data", "check", "--dataset", "own")
    assert outcome.code == 0, outcome.stderr
    assert "not read: more.bio" in " ".join(outcome.stdout.split())
    assert "PER, Per" in outcome.stdout
    body = json.loads(fresh_project.ssmi("data", "check", "--dataset", "own", "--json").stdout)
    assert body["types_alike"] == [["PER", "Per"]]
    assert body["notes"] == ["not read: more.bio (if one is a split, say so in dataset.yaml)"]


def test_segmenters_are_compared_if_both_are_installed(built_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ssmi.pipeline.lexicon.segmenter import open_segmenter

    output = built_once.ssmi("data", "check", "--dataset", "tiny").stdout
    assert "sentences segmented by jieba and by rjieba" in output and "of these, segmented differently" in output
    monkeypatch.setitem(sys.modules, "rjieba", None)  # as if it were not installed
    open_segmenter.cache_clear()
    outcome = built_once.ssmi("data", "check", "--dataset", "tiny")
    assert outcome.code == 0 and "rjieba" not in outcome.stdout + outcome.stderr


def test_a_dev_split_taken_from_train_is_reported(fresh_project: Any, data: Path) -> None:
    (data / "train.bio").write_text("李 B-PER\n明 I-PER\n\n", encoding="utf-8")
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 0, outcome.stderr
    assert "no dev sentences" in outcome.stderr and "provide a dev file or more sentences" in outcome.stderr
    (data / "train.bio").write_text(ROWS, encoding="utf-8")
    outcome = fresh_project.ssmi("features", "prepare", "--dataset", "own")
    assert outcome.code == 0 and "no dev sentences" not in outcome.stderr
    assert re.search(
        r"prepare: no dev file: 1 of \d+ train sentences became dev \(prepare.dev_fraction=0.1\)", outcome.stderr
    )


def test_fetching_a_misspelt_name_suggests_the_nearest(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("data", "fetch", "weibbo")
    assert outcome.code == 4 and "did you mean 'weibo'?" in outcome.stderr

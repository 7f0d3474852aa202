"""The check of a data set: encodings, the uses of a user dictionary, parameters that it reads, and its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssmi.data_check import DatasetReport, check_dataset
from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.workspace import Workspace


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSMI_DATA", raising=False)


def _check(project: Any, dataset: str | None = None, **options: Any) -> DatasetReport:
    return check_dataset(Workspace(project.root), dataset, **{"encoding": None, "offsets": None, **options})


def _in_gb18030(project: Any, name: str) -> Path:
    """Write a copy of the raw files of ``tiny`` in GB18030."""
    folder: Path = project.root / "data" / name
    folder.mkdir()
    for split in ("train", "dev", "test"):
        text = project.raw(split).read_text(encoding="utf-8")
        (folder / f"{split}.bmes").write_bytes(text.encode("gb18030"))
    return folder


@pytest.mark.parametrize("set_by", ["as an option", "in dataset.yaml"])
def test_the_encoding_does_not_change_the_check(fresh_project: Any, set_by: str) -> None:
    """The uses of the user dictionary are counted in the decoded characters."""
    (fresh_project.root / "words.txt").write_text("只有测试集见过 1000000\n", encoding="utf-8")
    fresh_project.set("segment", user_dict="words.txt")
    folder = _in_gb18030(fresh_project, "other")
    if set_by == "in dataset.yaml":
        (folder / "dataset.yaml").write_text("encoding: gb18030\n", encoding="utf-8")
    checked = _check(fresh_project, "other", encoding="gb18030" if set_by == "as an option" else None)
    expected = _check(fresh_project)
    assert checked.check.splits == expected.check.splits
    assert checked.user_dictionary == expected.user_dictionary
    assert expected.user_dictionary is not None
    assert [(use.word, use.segments, use.sentences) for use in expected.user_dictionary] == [("只有测试集见过", 1, 1)]


def test_uses_are_counted_with_the_user_dictionary_as_it_is_now(fresh_project: Any) -> None:
    folder = fresh_project.root / "data" / "spaced"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"text": "论 生 命 起 源", "entities": []}\n', encoding="utf-8")
    fresh_project.set("segment", user_dict="words.txt")
    for words, uses in (
        ("生命起源 1000000\n", [("生命起源", 1)]),
        ("命起 9\n论生命 9000000\n", [("命起", 0), ("论生命", 1)]),
    ):
        (fresh_project.root / "words.txt").write_text(words, encoding="utf-8")
        counted = _check(fresh_project, "spaced").user_dictionary
        assert counted is not None
        assert [(use.word, use.segments) for use in counted] == uses


def test_a_wrong_encoding_and_unknown_options_are_refused(fresh_project: Any) -> None:
    _in_gb18030(fresh_project, "other")
    with pytest.raises(InputDataError, match=r"train\.bmes:1: "):
        _check(fresh_project, "other")
    with pytest.raises(ParameterError) as raised:
        _check(fresh_project, "other", encoding="klingon", offsets="bytes")
    assert raised.value.message.startswith("options: encoding: encoding 'klingon' is not known")
    assert "; offsets: " in raised.value.message


def test_a_report_is_written_as_json(built_once: Any) -> None:
    report = _check(built_once)
    body = json.loads(json.dumps(report.to_json(), default=str))
    assert body["encoder"]["name"] == "encoder"
    assert body["user_dictionary"] is None and isinstance(body["notes"], list)
    assert {split: values["sentences"] for split, values in body["splits"].items()} == {
        "train": 60,
        "dev": 12,
        "test": 12,
    }


def test_a_user_dictionary_can_be_tried_without_changing_the_parameters(fresh_project: Any) -> None:
    (fresh_project.root / "words.txt").write_text("只有测试集见过 1000000\n", encoding="utf-8")
    assert _check(fresh_project).user_dictionary is None
    tried = _check(fresh_project, overrides=["segment.user_dict=words.txt"]).user_dictionary
    assert tried is not None and [use.segments for use in tried] == [1]


def test_parameters_that_the_check_does_not_read_are_refused(fresh_project: Any) -> None:
    for unread in ("train.seed=1", "selection.threshold=0.4"):
        with pytest.raises(ParameterError, match=f"{unread}: .*segment and encoder alone"):
            _check(fresh_project, overrides=["segment.hmm=false", unread])
    with pytest.raises(ParameterError, match=r"segment\.hm: unknown key"):
        _check(fresh_project, overrides=["segment.hm=false"])

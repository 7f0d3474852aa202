"""Data sets, vectors and encoders in ``ssmi.data``: names, fetching available files and conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi import data
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError


@pytest.fixture
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSMI_DATA", raising=False)


def test_data_set_names_are_the_listed_ones_and_local_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSMI_DATA", raising=False)
    listed = data.dataset_names(tmp_path)
    assert {"sample", "resume", "weibo", "msra"} <= listed
    for folder in ("root/data/病历", "root/data/.hidden", "home/all/claims"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "root/data/notes.txt").write_text("", encoding="utf-8")
    assert data.dataset_names(tmp_path / "root") == listed | {"病历"}
    monkeypatch.setenv("SSMI_DATA", "~/all")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data.dataset_names(tmp_path / "root") == listed | {"病历", "claims"}
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "nowhere"))
    assert data.dataset_names(tmp_path / "root") == listed | {"病历"}


def test_a_project_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("nope", "file"):
        with pytest.raises(MissingResourceError, match=f"{name}: no such folder"):
            ssmi.list_assets(project=tmp_path / name)
        with pytest.raises(MissingResourceError, match=f"{name}: no such folder"):
            ssmi.fetch("sample", project=tmp_path / name)


@pytest.mark.usefixtures("no_data_folder")
def test_local_data_is_found_in_the_project(pristine_project: Any) -> None:
    root = pristine_project.root
    tiny = ssmi.fetch("tiny", project=root)
    assert (tiny.kind, dict(tiny.files)) == (
        "dataset",
        {split: root / "data" / "tiny" / f"{split}.bmes" for split in ("train", "dev", "test")},
    )
    encoder = ssmi.fetch("./encoder", project=root)
    assert (encoder.kind, dict(encoder.files)) == ("encoder", {"encoder": root / "encoder"})
    with pytest.raises(MissingResourceError, match=r"\./nowhere"):
        ssmi.fetch("./nowhere", project=root)
    with pytest.raises(ParameterError, match=r"synonyms: .*a revision is for models of the hub"):
        ssmi.fetch("synonyms", project=root, revision="x")
    sample = ssmi.fetch("sample", project=root)
    assert sorted(sample.files) == ["dev", "test", "train"] and all(path.is_file() for path in sample.files.values())


@pytest.mark.usefixtures("no_data_folder")
def test_without_a_project_the_nearest_one_or_none_is_meant(
    pristine_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pristine_project.root
    monkeypatch.chdir(root / "data")
    assert ssmi.list_assets() == ssmi.list_assets(project=root)
    assert ssmi.fetch("tiny") == ssmi.fetch("tiny", project=root)
    monkeypatch.chdir(tmp_path)
    listed = {asset.name: asset for asset in ssmi.list_assets()}
    assert "tiny" not in listed and listed["sample"].found == "embedded"
    assert listed.keys() == {asset.name for asset in ssmi.list_assets(project=str(root))} - {"tiny"}
    with pytest.raises(MissingResourceError, match="tiny"):
        ssmi.fetch("tiny")


def test_a_tag_map_is_a_mapping_or_a_file(tmp_path: Path) -> None:
    source = tmp_path / "a.bmes"
    source.write_text("王 S-NAME\n在 O\n北 B-LOC\n京 E-LOC\n", encoding="utf-8")
    mapping = tmp_path / "map.yaml"
    mapping.write_text("NAME: PER\n", encoding="utf-8")
    written = []
    for number, tag_map in enumerate((mapping, {"NAME": "PER"})):
        target = tmp_path / f"{number}.jsonl"
        report = ssmi.convert(source, target, to="jsonl", tag_map=tag_map)
        assert report.n_sentences == 1 and report.n_entities == 1
        written.append(target.read_bytes())
    assert written[0] == written[1]
    (row,) = map(json.loads, written[0].splitlines())
    assert "PER" in json.dumps(row) and "LOC" not in json.dumps(row)


def test_invalid_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source, target = tmp_path / "a.bmes", tmp_path / "b.jsonl"
    source.write_text("王 S-NAME\n", encoding="utf-8")
    for options, message in (
        ({"offsets": "bytes"}, "options: offsets: "),
        ({"encoding": "klingon"}, "options: encoding: encoding 'klingon' is not known"),
        ({"labels": []}, "options: labels: "),
        ({"tag_map": {"NAME": " "}}, "options: tag_map.NAME: "),
    ):
        with pytest.raises(ParameterError) as raised:
            ssmi.convert(source, target, to="jsonl", **options)
        assert raised.value.message.startswith(message), options
    with pytest.raises(ParameterError, match="jsonx"):
        ssmi.convert(source, target, to="jsonx")
    with pytest.raises(ParameterError, match="labels='O,B-PER': a string"):
        ssmi.convert(source, target, to="jsonl", labels="O,B-PER")
    assert not target.exists()

"""Label groups, from a data set's record through the manifests into the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.assets.resolve import find_dataset
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.project.paths import ArtifactPaths

WEIBO = {"named": ("*.NAM",), "nominal": ("*.NOM",)}


def _declare(project: Any, text: str) -> None:
    (project.root / "data" / "tiny" / "dataset.yaml").write_text(text, encoding="utf-8")


def test_groups_of_dataset_yaml_are_stored_in_shards_and_scores(project: Any) -> None:
    _declare(project, "label_groups: {places: [LOC, CONT], people: NAME}\n")
    assert "prepare" in project.build().built
    shards = manifests.load(ArtifactPaths(project.root).shards("tiny"))
    assert ShardsStatistics.of(shards).label_groups == {"places": ("LOC", "CONT"), "people": ("NAME",)}
    outcome = project.ssmi("train", "-S", "train.epochs=1")
    assert outcome.code == 0, outcome.stderr
    metrics = json.loads((project.root / "artifacts" / "train" / "tiny" / "metrics.json").read_text("utf-8"))
    for scores in metrics.values():
        assert list(scores["by_group"]) == ["people", "places"]
        by_type = scores["by_type"]
        in_places = sum(by_type[label]["gold"] for label in ("LOC", "CONT") if label in by_type)
        assert scores["by_group"]["places"]["gold"] == in_places
    of_file = project.ssmi("evaluate", "--file", str(project.raw("dev")), "--json")
    assert of_file.code == 0, of_file.stderr
    assert list(json.loads(of_file.stdout)["dev.bmes"]["by_group"]) == ["people", "places"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label_groups: [a]\n", "dataset.yaml: label_groups: "),
        ("label_groups: {all: X}\n", "'all' cannot be the name of a group"),
        ("label_groups: {NAME: '*'}\n", "label_groups.NAME: NAME is also an entity type"),
    ],
)
def test_invalid_groups_are_refused(project: Any, text: str, message: str) -> None:
    before = project.artifacts()
    _declare(project, text)
    outcome = project.ssmi("features", "build")
    assert outcome.code == 3 and message in outcome.stderr
    assert project.artifacts() == before


def test_dataset_yaml_replaces_the_groups_of_a_listed_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSMI_DATA", raising=False)
    folder = tmp_path / "data" / "weibo"
    folder.mkdir(parents=True)
    (folder / "train.bmes").write_text("王 S-PER.NAM\n", encoding="utf-8")
    assert find_dataset("weibo", root=tmp_path, reporter=Silent()).label_groups == WEIBO
    (folder / "dataset.yaml").write_text("label_groups: {people: 'PER.*'}\n", encoding="utf-8")
    assert find_dataset("weibo", root=tmp_path, reporter=Silent()).label_groups == {"people": ("PER.*",)}

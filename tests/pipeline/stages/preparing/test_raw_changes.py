"""Changes of a data set's raw files after its shards were built."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.stages.preparing.raw_changes import changes_since_build


def _changes(project: Any) -> list[str]:
    paths = ArtifactPaths(project.root)
    return changes_since_build(
        "tiny", root=project.root, prepared=paths.stage("prepare", "tiny"), shards=paths.shards("tiny")
    )


def test_changed_added_and_removed_files_are_listed(project: Any) -> None:
    assert _changes(project) == []
    folder = project.root / "data" / "tiny"
    with project.raw("train").open("a", encoding="utf-8") as raw:
        raw.write("好 O\n\n")
    project.raw("test").unlink()
    # Label groups are an input of their own, but no file.
    (folder / "dataset.yaml").write_text("label_groups:\n  named: [NAME]\n", encoding="utf-8")
    assert _changes(project) == ["dataset.yaml added", "test.bmes removed", "train.bmes changed"]


def test_shards_of_other_sentences_are_outdated_too(project: Any) -> None:
    with project.raw("train").open("a", encoding="utf-8") as raw:
        raw.write("好 O\n\n")
    assert project.ssmi("features", "prepare", "--dataset", "tiny").code == 0
    assert _changes(project) == ["sentences prepared again"]


def test_without_raw_files_nothing_has_changed(project: Any) -> None:
    shutil.rmtree(project.root / "data" / "tiny")
    assert _changes(project) == []


def test_without_the_prepared_sentences_there_is_nothing_to_compare(project: Any) -> None:
    shutil.rmtree(ArtifactPaths(project.root).stage("prepare", "tiny"))
    with pytest.raises(MissingResourceError, match="not built"):
        _changes(project)

"""Folders of a project are distinct and lie inside the project."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.configurations import CONFIGURATIONS
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.project.stages import STAGES

SHARED = {name for name, stage in STAGES.items() if not stage.per_dataset}


def _is_dataset_name(name: str) -> bool:
    try:
        check_dataset_name(name)
    except ParameterError:
        return False
    return True


NAMES = st.text(st.sampled_from("ab-_.*?[]{}~ 数"), min_size=1, max_size=4).filter(_is_dataset_name)


@given(st.sets(NAMES, min_size=2, max_size=4))
def test_every_stage_of_every_data_set_has_its_own_folder(names: set[str]) -> None:
    root = Path("/somewhere/project")
    paths = ArtifactPaths(root)
    folders = {(stage, name): paths.stage(stage, name) for stage, name in product(STAGES, names)}
    assert len(set(folders.values())) == len(SHARED) + (len(STAGES) - len(SHARED)) * len(names)
    for (stage, name), folder in folders.items():
        assert folder.resolve().relative_to(root / "artifacts").parts == (
            (stage,) if stage in SHARED else (stage, name)
        )
        others = set(folders.values()) - {folder}
        assert not any(folder.is_relative_to(other) for other in others), "replacing one would delete another"


def test_stages_have_the_same_layout_in_another_base_folder() -> None:
    paths = ArtifactPaths(Path("project"))
    base = paths.ablation_features("weibo", "cosine")
    for stage in STAGES:
        usual = paths.stage(stage, "weibo").relative_to(paths.folder)
        assert paths.stage(stage, "weibo", base=base).relative_to(base) == usual
    assert paths.vocabulary == paths.stage("vocab", "weibo") == paths.stage("vocab", "resume")


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?", "*", "a"])
def test_shards_of_an_ablation_are_found_for_names_with_wildcards(tmp_path: Path, name: str) -> None:
    paths = ArtifactPaths(tmp_path)
    expected = []
    for configuration in ("wide", "bert", "cosine"):
        base = paths.ablation_features(name, configuration)
        for dataset in ("a", "a1", "ab", "a[1]", "a*", "a?", "*"):
            folder = paths.stage("shards", dataset, base=base)
            folder.mkdir(parents=True, exist_ok=True)
            if dataset == name:
                expected.append(folder)
    paths.ablation_features(name, "unfinished").mkdir()
    assert paths.ablation_shards(name) == sorted(expected)
    assert paths.ablation_shards("none") == []


def test_scratch_files_lie_outside_all_outputs() -> None:
    paths = ArtifactPaths(Path("project"))
    outputs = [paths.folder, paths.runs, paths.vocabulary, *(paths.stage(name, "a") for name in STAGES)]
    for output in outputs:
        assert not paths.scratch.is_relative_to(output) and not output.is_relative_to(paths.private)
    assert paths.run("weibo").parent == paths.run("weibo", configuration="bert").parent == paths.runs


DATASETS = st.text(st.sampled_from("ab-_.数"), min_size=1, max_size=4).filter(_is_dataset_name)


@given(DATASETS, DATASETS, st.sampled_from(sorted(CONFIGURATIONS)))
def test_runs_have_distinct_folders(one: str, two: str, configuration: str) -> None:
    paths = ArtifactPaths(Path("project"))
    assert paths.run(one, configuration=configuration) != paths.run(two)
    assert paths.run(f"{one}-{configuration}") != paths.run(one, configuration=configuration)
    assert (paths.run(one, configuration=configuration) == paths.run(two, configuration=configuration)) == (one == two)

"""Shards, runs and packs of released versions: every interface refuses them with their version and the next step.

``tests/released/VERSION.tar.xz`` holds the output of `features build`, `train` and `export` of that version for a few
sentences. Change these tests if the program can read one of them again.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.data.shards import open_shards
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parquet.schema import SCHEMA_VERSION

RELEASED = Path(__file__).parents[1] / "released"
VERSIONS = {"0.1.0": (1, 2), "0.2.0": (2, 3)}
"""Version → its schema version and the format of its checkpoints."""
BUILD_ADVICE = "build the features again with this version: ssmi-cli features build --dataset tiny"
TRAIN_ADVICE = "build the features and train again with this version, or tag with the version that trained it"


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each released version."""
    name: str = request.param
    return name


@pytest.fixture
def released(version: str, pristine_project: Any, copy_project: Callable[..., Any], tmp_path: Path) -> Any:
    """A current project with the artifacts of that version."""
    project = copy_project(pristine_project, tmp_path)
    with tarfile.open(RELEASED / f"{version}.tar.xz") as archive:
        members = [member for member in archive.getmembers() if member.name != "params.yaml"]
        archive.extractall(project.root, members=members, filter="data")
    return project


def test_each_released_version_has_an_archive() -> None:
    assert {path.name.removesuffix(".tar.xz") for path in RELEASED.glob("*.tar.xz")} == set(VERSIONS)
    assert all(path.stat().st_size < 300_000 for path in RELEASED.iterdir())


def test_old_features_are_refused_with_the_command_that_builds_them(released: Any, version: str) -> None:
    project = ssmi.open_project(released.root)
    functions: dict[str, Callable[[], object]] = {
        "open_shards": lambda: open_shards(released.root / "artifacts" / "shards" / "tiny"),
        "train": project.train,
        "sql": lambda: project.sql("SELECT * FROM shards"),
        "stats": lambda: project.sql("SELECT * FROM pmi_pairs"),
    }
    message = f"schema version {VERSIONS[version][0]}, this program writes {SCHEMA_VERSION}"
    for name, function in functions.items():
        with pytest.raises(StaleArtifactError) as raised:
            function()
        assert message in raised.value.message and raised.value.next_step == BUILD_ADVICE, name
    findings = project.verify().findings
    assert [
        finding.next_step for finding in findings if message in finding.problem and "artifacts/pmi" in str(finding.path)
    ] == [BUILD_ADVICE]


def test_old_runs_and_packs_are_refused_with_the_next_step(released: Any, version: str) -> None:
    project = ssmi.open_project(released.root)
    run, packed = released.root / "artifacts" / "train" / "tiny", released.root / "packed"
    functions: dict[str, Callable[[], object]] = {
        "open_run": lambda: ssmi.open_run(run),
        "open_run of a pack": lambda: ssmi.open_run(packed),
        "evaluate": lambda: project.evaluate(run=run),
        "compare": lambda: project.compare(run, run),
        "report": lambda: project.report(run=run),
    }
    for name, function in functions.items():
        with pytest.raises(StaleArtifactError) as raised:
            function()
        assert f"a run of another version of ssmi (format {VERSIONS[version][1]}" in raised.value.message, name
        assert raised.value.next_step == TRAIN_ADVICE, name


def test_commands_exit_with_5_and_a_build_replaces_old_features(released: Any) -> None:
    assert released.ssmi("train").code == 5
    assert released.ssmi("evaluate", "--run", str(released.root / "packed")).code == 5
    released.build()
    assert open_shards(released.root / "artifacts" / "shards" / "tiny").statistics.boundaries


def test_old_parameters_are_read_or_refused_with_the_new_names(version: str, tmp_path: Path) -> None:
    with tarfile.open(RELEASED / f"{version}.tar.xz") as archive:
        archive.extract("params.yaml", tmp_path, filter="data")
    project = ssmi.open_project(tmp_path)
    if version == "0.2.0":
        assert list(project.params().datasets) == ["tiny"]
        return
    with pytest.raises(ParameterError) as raised:
        project.params()
    for new in ("embed.precompute_words", "model.segment_positions"):
        assert new in raised.value.message

"""dvc.yaml generated from the stages, in the repository and in a user's project."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.dvc.pipeline_file import outdated, pipeline_stages, write_pipeline
from ssmi.pipeline.contract.errors import ParameterError


def test_the_committed_dvc_yaml_is_current(repository: Path) -> None:
    assert outdated(repository) == [], "ssmi-cli dvc write"


def test_stages_depend_only_on_artifacts_and_features_not_on_training(repository: Path) -> None:
    """An edited line of code or a training parameter therefore does not make DVC rebuild features."""
    for name, entry in pipeline_stages(repository).items():
        assert all(path.startswith("artifacts/") for path in entry.get("deps", []))
        assert ({"model", "train"} <= set(entry["params"])) == (name == "train")
        assert {"model", "train"}.isdisjoint(entry["params"]) or name == "train"


def _project(folder: Path, *datasets: str) -> Path:
    (folder / "params.yaml").write_text(f"datasets: [{', '.join(datasets)}]\n", encoding="utf-8")
    return folder


def test_raw_files_of_the_project_are_a_dependency_of_prepare(tmp_path: Path) -> None:
    _project(tmp_path, "sample", "mine")
    assert "deps" not in pipeline_stages(tmp_path)["prepare"]
    (tmp_path / "data" / "mine").mkdir(parents=True)
    stages = pipeline_stages(tmp_path)
    assert stages["prepare"]["deps"] == ["data"]
    assert all("data" not in entry.get("deps", []) for name, entry in stages.items() if name != "prepare")


def test_writing_keeps_changes_of_the_user(tmp_path: Path) -> None:
    path = write_pipeline(_project(tmp_path, "sample"))
    written = path.read_text(encoding="utf-8")
    assert outdated(tmp_path) == [] and written.startswith("# The stages are written by `ssmi-cli dvc write`")
    write_pipeline(tmp_path)
    assert path.read_text(encoding="utf-8") == written
    added = "  chart:  # of my own\n    cmd: draw\nplots:\n  - figure.json\n"
    path.write_text(
        written.replace("vocab --stage-version", "vocab --workers 3 --stage-version") + added, encoding="utf-8"
    )
    assert outdated(tmp_path) == ["vocab"]
    write_pipeline(tmp_path)
    assert path.read_text(encoding="utf-8") == written + added


@pytest.mark.parametrize("text", ["{", "[a]", "stages: 3"])
def test_an_invalid_dvc_yaml_is_refused_and_unchanged(tmp_path: Path, text: str) -> None:
    _project(tmp_path, "sample")
    (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"dvc\.yaml"):
        write_pipeline(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text(encoding="utf-8") == text

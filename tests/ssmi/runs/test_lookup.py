"""Lookup of runs and data sets by name, without heavy imports or a trained network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.model.runs.files import CHECKPOINT_FORMAT
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, StageReport
from ssmi.pipeline.contract.storage.digests import SEAL, seal
from ssmi.runs.lookup import find_run, nearest_project, note_if_unfinished, run_and_dataset, trained_on
from ssmi.workspace import Workspace
from tests.reporters import RecordingReporter


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "project"
    root.mkdir()
    (root / "params.yaml").write_text("datasets: [one, two]\n", encoding="utf-8")
    for name in ("two", "three", "later"):  # data sets that params.yaml does not list
        (root / "data" / name).mkdir(parents=True)
    return Workspace(root)


def _write_run(folder: Path, *, dataset: str | None = None, format: int = CHECKPOINT_FORMAT) -> Path:
    """Write the files of a run that lookups read: the checkpoint's format and, if given, the manifest of its shards."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "checkpoint.json").write_text(json.dumps({"format": format}), encoding="utf-8")
    if dataset is not None:
        (checkpoint / "shards").mkdir()
        report = StageReport(0, 0, statistics={})
        manifests.save(Manifest("shards", dataset, {}, {}, report, {}, version=1), checkpoint / "shards")
    return folder


def test_runs_are_found_by_path_or_data_set(workspace: Workspace, tmp_path: Path) -> None:
    elsewhere, first, second = (
        _write_run(folder)
        for folder in (tmp_path / "own", workspace.root / "artifacts/train/one", workspace.root / "artifacts/train/two")
    )
    assert find_run(workspace, run=elsewhere, dataset=None) == elsewhere
    assert find_run(workspace, run=None, dataset=None) == first
    assert find_run(workspace, run=None, dataset="two") == second
    with pytest.raises(ParameterError) as raised:
        find_run(workspace, run=elsewhere, dataset="two")
    assert raised.value.message == f"both run {elsewhere} and data set two are given"
    with pytest.raises(MissingResourceError, match=r"artifacts/train/three: no such folder"):
        find_run(workspace, run=None, dataset="three")


def test_the_next_step_of_an_unknown_data_set_names_the_runs(workspace: Workspace) -> None:
    for lookup in (find_run, run_and_dataset):
        with pytest.raises(MissingResourceError, match=r"data set 'thre': unknown.*did you mean 'three'") as raised:
            lookup(workspace, run=None, dataset="thre")
        assert raised.value.next_step == "name a data set or a folder with a trained run; `ssmi-cli train` makes one"
    runs = [_write_run(workspace.root / "artifacts/train" / name) for name in ("one", "two+x")]
    (workspace.root / "artifacts/train/empty").mkdir()
    with pytest.raises(MissingResourceError, match="data set 'thre'") as raised:
        find_run(workspace, run=None, dataset="thre")
    assert f"here are {runs[0]}, {runs[1]}; " in raised.value.next_step


def test_a_run_is_scored_on_its_training_data_set_by_default(workspace: Workspace, tmp_path: Path) -> None:
    run = _write_run(tmp_path / "own", dataset="later")
    assert trained_on(run) == "later"
    assert run_and_dataset(workspace, run=run, dataset=None) == (run, "later")
    assert run_and_dataset(workspace, run=run, dataset="two") == (run, "two")
    without_dataset = _write_run(tmp_path / "silent")
    assert trained_on(without_dataset) is None
    assert run_and_dataset(workspace, run=without_dataset, dataset=None) == (without_dataset, "one")
    first = _write_run(workspace.paths.run("one"), dataset="one")
    assert run_and_dataset(workspace, run=None, dataset=None) == (first, "one")


@pytest.mark.parametrize("name", ["../../elsewhere", "x; touch RAN #", "/etc"])
def test_a_run_with_an_invalid_data_set_name_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    run = _write_run(tmp_path / "own", dataset="theirs")
    path = run / "checkpoint" / "shards" / "manifest.json"
    body = {key: value for key, value in json.loads(path.read_text()).items() if key != SEAL}
    path.write_text(json.dumps(seal({**body, "dataset": name})), encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"dataset: .*not a plain name"):
        run_and_dataset(workspace, run=run, dataset=None)


def test_invalid_run_folders_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    assert trained_on(missing) is None
    for folder, message in ((missing, f"{missing}: no such folder"), (empty, f"{empty}/checkpoint: no")):
        with pytest.raises(MissingResourceError) as raised:
            run_and_dataset(workspace, run=folder, dataset=None)
        assert raised.value.message.startswith(message)
    old = _write_run(tmp_path / "old", dataset="one", format=CHECKPOINT_FORMAT - 1)
    (old / "checkpoint" / "shards" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="a run of another version of ssmi"):  # not an error about the schema
        trained_on(old)


def test_the_project_is_found_above_the_run_or_the_working_folder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inside = _write_run(workspace.root / "artifacts" / "train" / "one")
    monkeypatch.chdir(elsewhere)
    assert nearest_project(inside) == workspace.root
    (elsewhere / "link").symlink_to(inside)
    assert nearest_project(Path("link")) == workspace.root  # above the target of the link
    outside = _write_run(tmp_path / "outside")
    with pytest.raises(MissingResourceError) as raised:
        nearest_project(outside)
    assert raised.value.message == f"{outside}: no project above it holds the features it was trained on"
    assert "ssmi-cli export" in raised.value.next_step
    monkeypatch.chdir(inside)
    assert nearest_project(outside) == workspace.root


def test_an_unfinished_run_is_reported(tmp_path: Path) -> None:
    run, reporter = _write_run(tmp_path / "run"), RecordingReporter()
    note_if_unfinished(run, reporter)
    (run / "metrics.json").write_text("{}", encoding="utf-8")
    note_if_unfinished(run, reporter)
    assert reporter.notes == [f"{run}: an unfinished run (no metrics.json); these are its best weights so far"]


def test_lookup_loads_nothing_heavy() -> None:
    code = "import sys, ssmi.runs.lookup; print({'torch', 'transformers', 'polars', 'duckdb'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"

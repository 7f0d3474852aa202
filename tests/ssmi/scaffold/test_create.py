"""A new project folder: its contents, what is refused, and that a refusal leaves no files behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import ssmi
from ssmi.pipeline.assets.folders import open_folder
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, SsmiError
from ssmi.pipeline.contract.parameters.params import Params
from tests.reporters import RecordingReporter

TRAIN = "王 B-NAME\n明 E-NAME\n在 O\n\n好 O\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with labelled files of several splits and formats."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "train.bmes").write_text(TRAIN, encoding="utf-8")
    (folder / "valid.jsonl").write_text('{"text": "我在北京", "entities": [[2, 4, "LOC"]]}\n', encoding="utf-8")
    return folder


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_project_has_copies_of_the_data_and_the_default_parameters(files: Path, tmp_path: Path) -> None:
    project = ssmi.init_project(tmp_path / "mine", data=[files / "train.bmes", files / "valid.jsonl"])
    assert project.root == (tmp_path / "mine").resolve()
    assert project.params() == Params(datasets=("mine",))
    data_folder = open_folder(project.root / "data" / "mine")
    assert {split: path.name for split, path in data_folder.splits.items()} == {
        "train": "train.bmes",
        "dev": "valid.jsonl",
    }
    assert (project.root / "data/mine/train.bmes").read_text(encoding="utf-8") == TRAIN
    assert _names(project.root) >= {"README.md", "dvc.yaml", ".gitignore", ".dvcignore", "artifacts/.gitignore"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "mine"]


def test_parameters_equal_those_of_the_repository(repository: Path, tmp_path: Path) -> None:
    ssmi.init_project(tmp_path / "mine")
    written = (tmp_path / "mine" / "params.yaml").read_text(encoding="utf-8")
    assert written == (repository / "params.yaml").read_text(encoding="utf-8").replace('["sample"]', '["mine"]')


@pytest.mark.parametrize("name", ["2024", "true", "我的 数据"])
def test_names_are_written_as_yaml_text(tmp_path: Path, name: str) -> None:
    project = ssmi.init_project(tmp_path / "new", name=name)
    assert project.params().datasets == (name,)
    assert (project.root / "data" / name).is_dir()


def test_a_single_file_is_train_whatever_its_name(files: Path, tmp_path: Path) -> None:
    shutil.move(files / "train.bmes", files / "everything.bmes")
    project = ssmi.init_project(tmp_path / "mine", data=[files / "everything.bmes"])
    data_folder = open_folder(project.root / "data" / "mine")
    assert {split: path.name for split, path in data_folder.splits.items()} == {"train": "everything.bmes"}


def test_dataset_yaml_determines_how_files_are_read(files: Path, tmp_path: Path) -> None:
    (files / "a.txt").write_bytes(TRAIN.encode("gb18030"))
    (files / "dataset.yaml").write_text("encoding: gb18030\n", encoding="utf-8")
    project = ssmi.init_project(tmp_path / "mine", data=[files / "a.txt", files / "dataset.yaml"])
    data_folder = open_folder(project.root / "data" / "mine")
    assert data_folder.options.encoding == "gb18030" and set(data_folder.splits) == {"train"}


def test_read_files_are_reported(files: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    ssmi.init_project(tmp_path / "mine", data=[files / "valid.jsonl", files / "train.bmes"], reporter=reporter)
    assert reporter.notes == [
        "train: train.bmes (columns), 2 sentences, 1 entity of NAME",
        "dev: valid.jsonl (jsonl), 1 sentence, 1 entity of LOC",
    ]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_an_invalid_file_is_refused_with_its_line_and_leaves_no_files(files: Path, tmp_path: Path) -> None:
    bad = files / "dev.bmes"
    bad.write_text("我 O\n在 B-\n", encoding="utf-8")
    with pytest.raises(InputDataError) as raised:
        ssmi.init_project(tmp_path / "deep" / "mine", data=[files / "train.bmes", bad])
    assert raised.value.message.startswith(f"{bad}:2: ")
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"not empty: notes\.txt"):
        ssmi.init_project(tmp_path / "mine")
    assert _names(tmp_path) == {"mine/notes.txt"}
    with pytest.raises(ParameterError, match="is a file"):
        ssmi.init_project(tmp_path / "mine" / "notes.txt")


def test_files_that_are_not_a_split_are_refused(files: Path, tmp_path: Path) -> None:
    for name in ("one.bmes", "train.txt", "sub/train.bmes"):
        (files / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(files / "train.bmes", files / name)
    refusals = {
        ("train.bmes", "one.bmes"): (InputDataError, "one.bmes: not clear which split"),
        ("train.bmes", "train.txt"): (InputDataError, "data/mine: two files for train: train.bmes and train.txt"),
        ("train.bmes", "sub/train.bmes"): (InputDataError, "another file has the same name"),
        ("valid.jsonl",): (MissingResourceError, "no file for train among valid.jsonl"),
        ("train.bmes", "absent.bmes"): (MissingResourceError, "absent.bmes: no such file"),
        ("sub",): (InputDataError, "sub is a folder"),
    }
    for names, (kind, message) in refusals.items():
        with pytest.raises(kind, match=message):
            ssmi.init_project(tmp_path / "mine", data=[files / name for name in names])
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_a_name_outside_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="not a plain name"):
        ssmi.init_project(tmp_path / "new", name="../other")
    assert list(tmp_path.iterdir()) == []


# --- version control ------------------------------------------------------------------------------------------------


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def _dvc_settings(root: Path) -> list[str]:
    lines = (root / ".dvc" / "config").read_text(encoding="utf-8").splitlines()
    return sorted(line.strip().lower() for line in lines[1:])


@pytest.mark.parametrize("git_at", ["none", "top", "below"])
def test_dvc_is_configured_for_the_surrounding_repository(tmp_path: Path, git_at: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "mine"
    if git_at == "top":
        root.mkdir()
        _git(root, "init", "--quiet")
    elif git_at == "below":
        _git(tmp_path, "init", "--quiet")
    ssmi.init_project(root)
    without_git = ["no_scm = true"] if git_at == "none" else []
    assert _dvc_settings(root) == sorted(["analytics = false", "check_update = false", *without_git])
    subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], cwd=root, check=False, capture_output=True)
    if git_at != "none":
        untracked = subprocess.run(
            ["git", "ls-files", "--others", "--exclude-standard", ".dvc"], cwd=root, capture_output=True, text=True
        )
        assert untracked.stdout.splitlines() == [".dvc/.gitignore", ".dvc/config"]


def test_the_index_of_the_surrounding_repository_is_unchanged(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "staged.txt").write_text("x", encoding="utf-8")
    _git(tmp_path, "add", "staged.txt")
    before = (tmp_path / ".git" / "index").read_bytes()
    ssmi.init_project(tmp_path / "below" / "mine")
    assert (tmp_path / "below" / "mine" / ".dvc" / "config").is_file()
    assert (tmp_path / ".git" / "index").read_bytes() == before


@pytest.mark.parametrize("path", ["file/mine", "file"])
def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="file") as raised:
        ssmi.init_project(tmp_path / path)
    assert raised.value.next_step


def test_a_system_folder_is_refused() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    with pytest.raises(ParameterError, match="cannot be made"):
        ssmi.init_project("/proc/mine")


def test_a_failed_dvc_init_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, settings = tmp_path / "mine", tmp_path / "settings"
    (root / ".git").mkdir(parents=True)
    settings.mkdir()
    (settings / "config").write_text("[core\n", encoding="utf-8")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(settings))
    with pytest.raises(SsmiError, match="dvc init"):
        ssmi.init_project(root)
    assert [path.name for path in root.iterdir()] == [".git"]


def test_git_tracks_scores_and_no_other_artifacts(files: Path, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "mine"
    root.mkdir()
    _git(root, "init", "--quiet")
    ssmi.init_project(root, data=[files / "train.bmes"])
    for name in ("train/mine/headline.json", "train/mine/checkpoint/weights", "train/other/metrics.json", "vocab/x"):
        (root / "artifacts" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "artifacts" / name).write_text("x", encoding="utf-8")
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "artifacts", "data"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert listed == [
        "artifacts/.gitignore",
        "artifacts/train/mine/headline.json",
        "artifacts/train/other/metrics.json",
        "data/mine/train.bmes",
    ]


def test_dvc_yaml_names_no_source_file(tmp_path: Path) -> None:
    project = ssmi.init_project(tmp_path / "mine")
    stages = YAML(typ="safe").load((project.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = [dep for stage in stages.values() for dep in stage.get("deps", [])]
    assert deps and all(dep == "data" or dep.startswith("artifacts/") for dep in deps)

"""A project is found from any folder inside it; its parameters are those of the file with overrides applied."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.progress import Silent
from ssmi.project import Project, open_project
from ssmi.workspace import Workspace, find_root


def _project(folder: Path, text: str = "datasets: [one, two]\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return folder.resolve()


def test_the_nearest_project_above_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = _project(tmp_path / "outer"), _project(tmp_path / "outer" / "a" / "inner")
    deep = inner / "data" / "x"
    deep.mkdir(parents=True)
    assert find_root(deep) == find_root(inner) == find_root(inner, upward=False) == inner
    assert find_root(inner.parent) == outer
    monkeypatch.chdir(deep)
    assert find_root(Path()) == find_root(Path("../..")) == inner
    linked = tmp_path / "link"
    linked.symlink_to(deep)
    assert find_root(linked) == inner  # the search continues above the link's target, not above the link


def test_a_folder_named_params_yaml_is_not_a_project(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    for upward, message in ((True, f"no params.yaml in {inner} or above it"), (False, f"no params.yaml in {inner}")):
        with pytest.raises(MissingResourceError) as raised:
            find_root(inner, upward=upward)
        assert raised.value.message == message
        step = "run inside a project folder, or name one: --project FOLDER, in Python open_project(FOLDER)"
        assert raised.value.next_step == step
    with pytest.raises(InputDataError, match=r"params\.yaml: a folder, where a file is expected"):
        find_root(tmp_path, upward=False)


def test_later_overrides_win_and_the_device_overrides_all(tmp_path: Path) -> None:
    workspace = Workspace(_project(tmp_path, "datasets: [one, two]\ntrain: {epochs: 5, device: cpu}\n"))
    assert (workspace.params().train.epochs, workspace.params().train.device) == (5, "cpu")
    overrides = (f"train.epochs={n}" for n in (6, 7))  # an iterator can be read only once
    assert workspace.params(overrides).train.epochs == 7
    params = workspace.params(["train.device=cuda:1", "train.epochs=8"], device="cuda:0")
    assert (params.train.device, params.train.epochs) == ("cuda:0", 8)
    assert workspace.params().train.epochs == 5  # the overrides are not kept or written
    with pytest.raises(ParameterError) as raised:
        workspace.params(["train.epochs=0", "train.epoch=1"], device="abacus")
    assert all(name in raised.value.message for name in ("train.epochs", "train.epoch:", "train.device"))


def test_the_default_data_set_is_the_first_of_the_parameters(tmp_path: Path) -> None:
    workspace = Workspace(_project(tmp_path))
    assert workspace.dataset(None) == "one"
    (tmp_path / "data" / "three").mkdir(parents=True)
    assert workspace.dataset("three") == "three"
    (tmp_path / "params.yaml").unlink()
    assert workspace.dataset("three") == "three"  # params.yaml is read only when needed
    with pytest.raises(MissingResourceError, match=r"params\.yaml: no such file"):
        workspace.dataset(None)


def test_data_set_names_are_known_by_data_artifacts_or_corpora(tmp_path: Path) -> None:
    workspace = Workspace(_project(tmp_path, "datasets: [one]\ncorpora: [texts/news.txt]\n"))
    (tmp_path / "artifacts" / "prepare" / "built").mkdir(parents=True)
    (tmp_path / "artifacts" / "train" / "trained").mkdir(parents=True)
    for name in ("built", "trained", "news", "resume"):
        assert workspace.dataset(name) == name
    for name, hint in (("bulit", "built"), ("traned", "trained"), ("resum", "resume")):
        with pytest.raises(MissingResourceError, match=f"data set '{name}': unknown.* did you mean '{hint}'"):
            workspace.dataset(name)
    # With a storage, the name is checked when the storage is opened.
    assert Workspace(tmp_path, storage="file:///nowhere").dataset("there") == "there"


@pytest.mark.parametrize("name", ["sample; touch RAN #", "../../elsewhere", "/etc", "-x", "a\nb", "..", "x\u3164"])
def test_names_that_are_not_plain_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="not a plain name"):
        Workspace(_project(tmp_path)).dataset(name)
    project = Project(tmp_path)
    functions: tuple[Callable[..., object], ...] = (
        project.build_features,
        project.train,
        project.ablate,
        project.evaluate,
    )
    functions += (project.report, project.stats, project.open_run, partial(project.adapt_encoder, out=tmp_path / "out"))
    functions += (partial(project.run_stage, "prepare"), partial(project.explain, "长", "长江"))
    for function in functions:
        with pytest.raises(ParameterError, match="not a plain name"):
            function(dataset=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml"]


def test_a_workspace_is_silent_by_default(tmp_path: Path) -> None:
    assert isinstance(Workspace(tmp_path).reporter, Silent)
    assert Workspace(tmp_path).paths.params == tmp_path / "params.yaml"


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("nope", "storage nope: not a URL"),
        ("", "storage: empty"),
        (3, "storage=3 is not a str or None"),
        ("s3://me:hush@bucket/x", "storage: a s3 URL with a password in it"),
    ],
)
def test_invalid_storage_is_refused(tmp_path: Path, storage: Any, message: str) -> None:
    root = _project(tmp_path)
    for create in (Workspace, Project):
        with pytest.raises(ParameterError) as raised:
            create(root, storage=storage)
        assert message in raised.value.message and "hush" not in raised.value.message


def test_opening_a_project_checks_the_driver_of_its_storage(tmp_path: Path) -> None:
    root = _project(tmp_path)
    with pytest.raises(ParameterError, match=r"^storage nosuch://x: no storage is called nosuch"):
        open_project(root, storage="nosuch://x")
    opened = open_project(root, storage=(tmp_path / "bucket").as_uri())
    assert opened.storage == (tmp_path / "bucket").as_uri() and not (tmp_path / "bucket").exists()

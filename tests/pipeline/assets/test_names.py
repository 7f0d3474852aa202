"""How names in params.yaml are interpreted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.assets.names import is_path, is_plain, path_below

NAMES = st.text(st.sampled_from("ab.~/\\\0- 数"), max_size=6)


@given(NAMES)
def test_a_plain_name_is_exactly_one_step_below_any_folder(name: str) -> None:
    root = "/data/sets"
    one_step = os.path.normpath(f"{root}/{name}") == f"{root}/{name}" and f"{root}/{name}".count("/") == 3
    assert is_plain(name) == (one_step and not set("\\\0") & set(name))


@pytest.mark.parametrize("name", ["bert-base-chinese", "owner/model", "a.b/c-d_e", "模型", "owner/model.v2"])
def test_names_of_hub_models_are_not_paths(name: str) -> None:
    assert not is_path(name)


@pytest.mark.parametrize(
    "name", ["", ".", "./bert", "../bert", "/models/bert", "~/bert", "~", "bert/", "a/b/", "a/b/c", "a\\b", ".hidden"]
)
def test_names_that_no_hub_model_can_have_are_paths(name: str) -> None:
    assert is_path(name)


def test_paths_are_resolved_below_the_project_the_home_folder_or_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    assert path_below(root, "a/b") == root / "a" / "b"
    assert path_below(root, "~/b") == tmp_path / "home" / "b"
    assert path_below(root, "/a/b") == Path("/a/b")
    assert path_below(root, "a~b") == root / "a~b"
    assert path_below(root, "~no-such-user-here/b") == root / "~no-such-user-here" / "b"
    assert path_below(root, ".") == root

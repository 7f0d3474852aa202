"""Private folders under any umask; anything created there by another user is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.vector_cache import vector_cache
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.contract.storage.own_folders import make_private

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
OTHER_USER = 54_321


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def mask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _permissions_of_others(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o077


@pytest.mark.usefixtures("mask")
def test_every_folder_from_the_root_is_private(tmp_path: Path) -> None:
    root = tmp_path / "project" / ".ssmi"
    make_private(root / "scratch" / "stages", root=root)
    assert [_permissions_of_others(root / inner) for inner in ("", "scratch", "scratch/stages")] == [0, 0, 0]
    make_private(root, root=root)  # it may already exist


@pytest.mark.usefixtures("mask")
def test_a_build_and_its_caches_are_private(
    pristine_project: Any, copy_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "cache"))
    project = copy_project(pristine_project, tmp_path)
    project = replace(project, environment={**project.environment, "SSMI_CACHE": str(tmp_path / "cache")})
    assert project.ssmi("features", "prepare").code == 0
    private = project.root / ".ssmi"
    assert {path.name: _permissions_of_others(path) for path in (private, *private.iterdir())} == {
        ".ssmi": 0,
        "locks": 0,
        "scratch": 0,
    }
    vector_cache("digest", 1).add(["词"], np.zeros((1, 2), dtype=np.float32))
    cache.obtain("vectors", "tiny", "recipe", lambda folder: (folder / "a").touch(), reporter=Silent())
    assert [_permissions_of_others(tmp_path / "cache" / inner) for inner in ("", "word-vectors", "locks")] == [0, 0, 0]


def test_a_users_own_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / ".ssmi").symlink_to(tmp_path / "large disk")
    make_private(tmp_path / ".ssmi" / "locks", root=tmp_path / ".ssmi")
    assert (tmp_path / "large disk" / "locks").is_dir()


@pytest.mark.skipif(not IS_ROOT, reason="only root can create files of another user")
@pytest.mark.parametrize("planted", [".ssmi", ".ssmi/locks", ".ssmi/scratch"])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_folders_planted_by_another_user_are_refused(
    pristine_project: Any, copy_project: Any, tmp_path: Path, planted: str, kind: str
) -> None:
    project = copy_project(pristine_project, tmp_path)
    place, elsewhere = project.root / planted, tmp_path / "elsewhere"
    place.parent.mkdir(exist_ok=True)
    elsewhere.mkdir()
    place.symlink_to(elsewhere) if kind == "link" else place.mkdir()
    os.chown(place, OTHER_USER, OTHER_USER, follow_symlinks=False)
    outcome = project.ssmi("features", "prepare")
    assert outcome.code == 1
    assert outcome.stderr.splitlines()[-2:] == [
        f"error: {place}: created by another user of this machine, who could tamper with its contents",
        "  next: remove it",
    ]
    assert list(elsewhere.iterdir()) == [] and not (project.root / "artifacts" / "prepare").exists()


def test_nothing_is_written_through_a_link_with_the_name_of_a_lock(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    (tmp_path / "a.holder").symlink_to(precious)
    with locked(tmp_path / "a.lock", what="a", reporter=Silent()):
        assert precious.read_text(encoding="utf-8") == "mine"
    (tmp_path / "b.lock").symlink_to(precious)
    with pytest.raises((OSError, SsmiError)), locked(tmp_path / "b.lock", what="b", reporter=Silent()):
        raise AssertionError("a link was taken for a lock")
    assert precious.read_text(encoding="utf-8") == "mine"

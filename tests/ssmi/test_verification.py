"""``Project.verify``: every folder below artifacts, intact, and with each kind of damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.state import FORMAT
from ssmi.pipeline.contract.storage.digests import digest_file, seal
from ssmi.verification import FileState, Verification


@pytest.fixture
def trained(tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path) -> Any:
    """A writable project with a finished run."""
    return copy_project(tagging_project, tmp_path)


def _verify(root: Path, *, deep: bool = True) -> Verification:
    return ssmi.open_project(root).verify(deep=deep)


def _posix(path: Path | str) -> str:
    assert isinstance(path, Path)  # a URL only in storage
    return path.as_posix()


def _states(root: Path, *, deep: bool = True) -> dict[str, str]:
    return {_posix(finding.path): str(finding.state) for finding in _verify(root, deep=deep).findings}


def test_an_unchanged_project_is_intact(tagging_project: Any) -> None:
    for deep in (False, True):
        verified = _verify(tagging_project.root, deep=deep)
        assert not verified.findings and verified.deep == deep
        folders = {_posix(folder.path): folder.count(FileState.INTACT) for folder in verified.folders}
        assert {
            "artifacts/vocab",
            "artifacts/shards/tiny",
            "artifacts/train/tiny",
            "artifacts/train/tiny/checkpoint",
        } < (folders.keys())
        assert sum("pinned" in folder for folder in folders) == 3
        listed = sum(1 for path in (tagging_project.root / "artifacts" / "vocab").iterdir() if path.is_file())
        assert folders["artifacts/vocab"] == listed
        assert all(folders.values())


def test_each_kind_of_damage_is_reported_with_its_remedy(trained: Any) -> None:
    artifacts = trained.root / "artifacts"
    run = artifacts / "train" / "tiny"
    (artifacts / "pmi" / "tiny" / "train" / "part-00000.parquet").unlink()
    (artifacts / "segment" / "tiny" / "notes.txt").write_text("mine", encoding="utf-8")
    (run / "checkpoint" / "labels.json").unlink()
    (run / "checkpoint" / "notes.txt").write_text("mine", encoding="utf-8")
    (artifacts / "prepare" / "tiny" / "manifest.json").unlink()
    shutil.rmtree(run / "counts")
    expected = {
        "artifacts/pmi/tiny/train/part-00000.parquet": "missing",
        "artifacts/segment/tiny/notes.txt": "foreign",
        "artifacts/train/tiny/checkpoint/labels.json": "missing",
        "artifacts/train/tiny/checkpoint/notes.txt": "foreign",
        "artifacts/prepare/tiny/manifest.json": "missing",
        "artifacts/train/tiny/counts/dev.parquet": "missing",
        "artifacts/train/tiny/counts/test.parquet": "missing",
    }
    assert _states(trained.root, deep=False) == expected
    for path in (
        artifacts / "vocab" / "trie.bin",
        artifacts / "shards" / "tiny" / "manifest.json",
        run / "checkpoint" / "params.json",
        run / "metrics.json",
    ):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        shutil.copy(path, path.with_suffix(".tmp"))  # as a new file, because pinned files are hard links to the old one
        path.with_suffix(".tmp").replace(path)
        path.write_bytes(content)
        expected[path.relative_to(trained.root).as_posix()] = "changed"
    assert _states(trained.root) == expected
    of_manifest = {"artifacts/shards/tiny/manifest.json": "changed"}
    assert _states(trained.root, deep=False).items() >= of_manifest.items(), "a manifest is small, so all of it is read"
    for finding in _verify(trained.root).findings:
        assert finding.next_step.startswith(("ssmi-cli features build --dataset", "train again"))


def test_other_files_in_a_run_are_foreign(trained: Any) -> None:
    run = trained.root / "artifacts" / "train" / "tiny"
    (run / ".report-dev.html.0123456789abcdef.ssmi.tmp").touch()  # the next start removes it
    for name in ("report-dev.html", ".gitignore", "made-from.json"):
        (run / name).write_text("of the program", encoding="utf-8")
    assert _states(trained.root) == {}
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    (run / "old").mkdir()
    (run / "away").symlink_to(trained.root / "data")
    foreign = {f"artifacts/train/tiny/{name}": "foreign" for name in ("notes.txt", "old", "away")}
    assert _states(trained.root, deep=False) == foreign == _states(trained.root)
    assert {finding.next_step for finding in _verify(trained.root).findings} == {"move it out of the run's folder"}


def test_a_missing_file_list_is_reported_and_an_empty_project_has_no_folders(
    trained: Any, pristine_project: Any
) -> None:
    (trained.root / "artifacts" / "train" / "tiny" / "files.json").unlink()
    assert _states(trained.root) == {"artifacts/train/tiny/files.json": "changed"}
    assert not _verify(pristine_project.root).folders


def test_a_build_repairs_what_verify_finds(project: Any) -> None:
    before = project.artifacts("vocab")
    path = project.root / "artifacts" / "vocab" / "vectors.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert _states(project.root) == {"artifacts/vocab/vectors.npy": "changed"}
    assert project.build().built == {"vocab"}
    assert project.artifacts("vocab") == before and not _states(project.root)


def test_the_state_of_a_stopped_run_is_verified(trained: Any, tmp_path: Path) -> None:
    state = trained.root / "artifacts" / "train" / "stopped" / "state"
    state.mkdir(parents=True)
    tensors = state / "a.safetensors"
    tensors.write_bytes(b"weights")
    fields = {"format": FORMAT, "file": tensors.name, "file_digest": digest_file(tensors), "epoch": 1, "step": 1}
    made_from = checkpoint_files.read_metadata(trained.root / "artifacts" / "train" / "tiny" / "checkpoint").fingerprint
    body = {**fields, "steps": 2, "loss": 0.5, "history": [], "fingerprint": made_from.to_json()}
    (state / "state.json").write_text(json.dumps(seal(body)), encoding="utf-8")
    assert _states(trained.root) == {}
    (state.parent / "notes.txt").write_text("mine", encoding="utf-8")
    assert _states(trained.root) == {"artifacts/train/stopped/notes.txt": "foreign"}
    (state.parent / "notes.txt").unlink()
    tensors.write_bytes(b"Weights")
    assert _states(trained.root) == {"artifacts/train/stopped/state/a.safetensors": "changed"}
    tensors.unlink()
    assert _states(trained.root, deep=False) == {"artifacts/train/stopped/state/a.safetensors": "missing"}
    (state / "state.json").write_text(json.dumps(body), encoding="utf-8")
    assert _states(trained.root) == {"artifacts/train/stopped/state": "changed"}

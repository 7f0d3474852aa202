"""``ssmi-cli export``: a folder that can be used without the project."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import SsmiError

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"


@pytest.fixture(scope="module")
def packed_once(tagging_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "pack"
    outcome = tagging_project.ssmi("export", "--out", str(out))
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.splitlines()[0].startswith(f"{out}: ")
    return out


@pytest.fixture
def packed(packed_once: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", packed_once, tmp_path / "copy"], check=True)
    return tmp_path / "copy"


def test_a_pack_works_without_the_project(
    tagging_project: Any, copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    """The progress bar on the terminal does not get into the rows on stdout."""
    project = copy_project(tagging_project, tmp_path)
    text = tmp_path / "texts.txt"
    text.write_text(f"{SENTENCE}\n" * 3, encoding="utf-8")
    expected = project.ssmi("predict", str(text), "--device", "cpu").stdout
    assert json.loads(expected.splitlines()[0])["entities"]
    assert project.ssmi("export", "--out", str(tmp_path / "pack")).code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "pack").rename(elsewhere / "moved")
    project.root.rename(tmp_path / "gone")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "ssmi.cli.main", "predict", "--run", "moved", "../texts.txt", "--device", "cpu"]
    result = subprocess.run(
        command, cwd=elsewhere, env={**project.environment, "TERM": "xterm"}, stdout=-1, stderr=follower, check=False
    )
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode(errors="replace")
    os.close(leader)
    assert result.returncode == 0, shown
    assert result.stdout.decode() == expected
    assert "predict" in shown and "{" not in shown


def test_a_pack_contains_licences_and_no_absolute_path(packed_once: Path, tagging_project: Any) -> None:
    notice = (packed_once / "README.txt").read_text(encoding="utf-8")
    assert "vectors.txt: a copy of one's own" in notice and "tiny" in notice and "encoder" in notice
    root = str(tagging_project.root).encode()
    files = [path for path in packed_once.rglob("*") if path.is_file()]
    assert {path.name for path in packed_once.iterdir()} == {
        *("README.txt", "checkpoint", "features", "metrics.json", "pack.json"),
    }
    assert [path for path in files if root in path.read_bytes()] == []


def test_packing_is_reproducible(packed_once: Path, tagging_project: Any, tmp_path: Path) -> None:
    """Pack the run, and the pack itself."""
    for run in (tagging_project.root / "artifacts" / "train" / "tiny", packed_once):
        out = tmp_path / run.name
        outcome = tagging_project.ssmi("export", "--run", str(run), "--out", str(out))
        assert outcome.code == 0, outcome.stderr
        assert contents(out) == contents(packed_once)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_existing_folder_is_refused(tagging_project: Any, packed: Path) -> None:
    before = contents(packed)
    outcome = tagging_project.ssmi("export", "--out", str(packed))
    assert outcome.code == 2 and "already exists" in outcome.stderr and "  next: " in outcome.stderr
    assert contents(packed) == before


def test_a_run_with_changed_features_is_refused(project: Any, tagging_project: Any, tmp_path: Path) -> None:
    project.build("-S", "vocab.max_words=100")
    run = tmp_path / "run"
    original = tagging_project.root / "artifacts" / "train" / "tiny"
    shutil.copytree(original, run, ignore=shutil.ignore_patterns("pinned"))  # a run without pinned features
    outcome = project.ssmi("export", "--run", str(run), "--out", str(tmp_path / "pack"))
    assert outcome.code == 5 and "the shards were built with" in outcome.stderr
    assert not (tmp_path / "pack").exists()


DAMAGE = {
    "features/vocab/words.parquet": r"words.parquet is [0-9a-f]{12}, its manifest says [0-9a-f]{12}",
    "features/vocab/manifest.json": r"vocabulary .* is [0-9a-f]{12}, the shards were built with [0-9a-f]{12}",
    "features/encoder/vocab.txt": r"encoder .* is [0-9a-f]{12}, the shards were built with [0-9a-f]{12}",
    "checkpoint/model.safetensors": r"model.safetensors is [0-9a-f]{12}, [0-9a-f]{12} was packed",
    "checkpoint/params.json": r"params.json is [0-9a-f]{12}, [0-9a-f]{12} was packed",
    "checkpoint/shards/manifest.json": r"manifest.json is [0-9a-f]{12}, [0-9a-f]{12} was packed",
}


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_a_changed_file_is_refused_with_both_digests(
    packed: Path, tagging_project: Any, tmp_path: Path, name: str
) -> None:
    path = packed / name
    path.write_bytes(path.read_bytes() + b"\n")
    (tmp_path / "a.txt").write_text(SENTENCE, encoding="utf-8")
    outcome = tagging_project.ssmi("predict", "--run", str(packed), str(tmp_path / "a.txt"))
    assert outcome.code == 5 and "Traceback" not in outcome.stderr
    assert re.search(DAMAGE[name], outcome.stderr), outcome.stderr


@pytest.mark.parametrize("name", ["pack.json", "checkpoint/labels.json", "features/pmi/pairs.parquet"])
def test_a_pack_with_a_missing_file_is_refused(packed: Path, name: str) -> None:
    (packed / name).unlink()
    with pytest.raises(SsmiError, match=Path(name).name):
        ssmi.open_run(packed)

"""Contents of a bug report: installed versions, location of the code, the project and its problems."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi import diagnose
from ssmi.doctor import LIBRARIES


def test_versions_are_those_of_the_running_code(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path)
    assert diagnosis.python == platform.python_version() and diagnosis.cpu_cores == os.cpu_count()
    assert list(diagnosis.libraries) == list(LIBRARIES)
    assert diagnosis.libraries["torch"] == metadata.version("torch")


def test_packages_are_not_shadowed_by_modules_in_the_working_folder(tmp_path: Path) -> None:
    """The import name is ``ssmi.pipeline``, so a module ``pipeline`` in the working folder is not confused with it."""
    (tmp_path / "pipeline.py").write_text("", encoding="utf-8")
    (tmp_path / "model.py").write_text("", encoding="utf-8")
    code = "import ssmi; print(dict(ssmi.diagnose().packages))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(ssmi.__file__).parents[1])])},
        capture_output=True,
        text=True,
        check=True,
    )
    home = Path(ssmi.__file__).parent
    assert result.stdout.strip() == str(
        {
            "ssmi": str(home / "__init__.py"),
            **{f"ssmi.{name}": str(home / name / "__init__.py") for name in ("pipeline", "model", "cli")},
        }
    )


def test_a_project_and_its_encoder_are_reported(
    pristine_project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SSMI_DATA", str(tmp_path))
    below = pristine_project.root / "data" / "tiny"
    diagnosis = diagnose(below)
    assert diagnosis.project == pristine_project.root
    assert diagnosis.encoder.startswith("encoder: bert, 2 layers of width 32")
    assert (diagnosis.cache, diagnosis.data_folder) == (tmp_path / "cache", str(tmp_path))
    assert {"sample"} <= {asset.name for asset in diagnosis.assets if asset.available}
    (tiny,) = [asset for asset in diagnosis.assets if asset.name == "tiny"]
    assert tiny.kind == "dataset" and tiny.available
    not_upward = diagnose(below, upward=False)
    assert not_upward.project is None and not_upward.encoder == f"no params.yaml in {below}"


def test_a_broken_project_is_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSMI_DATA", raising=False)
    (tmp_path / "params.yaml").write_text("encoder: {nam: x}\n", encoding="utf-8")
    diagnosis = diagnose(tmp_path)
    assert diagnosis.project == tmp_path.resolve() and diagnosis.data_folder is None
    assert "encoder.nam: unknown key, did you mean 'name'?" in diagnosis.encoder
    (tmp_path / "params.yaml").write_text("encoder: {name: ./nowhere}\n", encoding="utf-8")
    assert diagnose(tmp_path).encoder.startswith("./nowhere: ")


def test_a_missing_data_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSMI_DATA", str(tmp_path / "nowhere"))
    diagnosis = diagnose(tmp_path)
    assert diagnosis.data_folder == f"SSMI_DATA={tmp_path / 'nowhere'}: no such folder" and diagnosis.assets == ()

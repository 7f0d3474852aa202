"""The built and installed wheel: its contents, and a project that works without this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any

import pytest

FOLDERS = ("pipeline", "model", "cli")


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel instead of the editable installation that the tests run in."""

    python: Path
    environment: Mapping[str, str]

    def run(self, *command: str | Path, cwd: Path) -> str:
        """Run a command of the environment (``python`` or ``ssmi-cli`` ...) that must succeed; returns its stdout."""
        program, *arguments = map(str, command)
        completed = subprocess.run(
            [str(self.python.parent / program), *arguments],
            cwd=cwd, env=dict(self.environment), capture_output=True, text=True,
        )  # fmt: skip
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout


def _build(source: Path, folder: Path) -> Path:
    """Build the wheel of a source folder, without access to an index."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the source tree."""
    pytest.importorskip("hatchling", reason="the wheel is built with it")
    return _build(repository, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment that uses all other packages of the tests' environment."""
    root = tmp_path_factory.mktemp("installed")
    venv.create(root, with_pip=False, symlinks=True)
    bin_folder = Path(sysconfig.get_path("scripts", vars={"base": str(root)}))
    python = bin_folder / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(root), "platbase": str(root)}))
    # Paths added by a .pth file are not searched for .pth files, so the editable installation there has no effect.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index",
         "--ignore-installed", "--disable-pip-version-check", str(wheel)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    inherited = {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return Installed(python, {**inherited, "PATH": str(bin_folder) + os.pathsep + inherited["PATH"]})


# --- contents -------------------------------------------------------------------------------------------------------


def _sources(repository: Path) -> set[str]:
    """Return the package's files in the source tree, by path in the wheel; bytecode is left out."""
    folders = {"ssmi": repository / "ssmi", **{f"ssmi/{folder}": repository / folder for folder in FOLDERS}}
    modules = set()
    for name, folder in folders.items():
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                modules.add(f"{name}/{path.relative_to(folder).as_posix()}")
    return modules


def test_the_wheel_contains_the_complete_package_and_nothing_else(wheel: Path, repository: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == _sources(repository)
    assert {name.partition("/")[0] for name in names} == {"ssmi"}
    suffixes = {Path(name).suffix for name in names}
    assert {".py", ".sql", ".html", ".css", ".js", ".txt", ".md"} <= suffixes and "ssmi/py.typed" in names
    assert not [name for name in names if "test" in Path(name).parts[1:-1] or Path(name).name.startswith("test_")]


def test_the_source_archive_gives_the_same_wheel(wheel: Path, repository: Path, tmp_path: Path) -> None:
    code = "import sys; from hatchling.build import build_sdist; print(build_sdist(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=repository, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert not [member.name for member in opened.getmembers() if member.issym() or "/tests/" in member.name]
        opened.extractall(tmp_path, filter="data")
    rebuilt = _build(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "again")
    first, second = zipfile.ZipFile(wheel), zipfile.ZipFile(rebuilt)
    assert {name: first.read(name) for name in first.namelist()} == {n: second.read(n) for n in second.namelist()}


# --- usage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def new_project(installed: Installed, pristine_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project created by ``init`` from the tiny data, with vectors and encoder inside."""
    folder = tmp_path_factory.mktemp("elsewhere")
    data = [pristine_project.raw(split) for split in ("train", "dev", "test")]
    installed.run("ssmi-cli", "init", "own", "--data", *data, cwd=folder)
    copyfile(pristine_project.root / "vectors.txt", folder / "own" / "vectors.txt")
    copytree(pristine_project.root / "encoder", folder / "own" / "encoder")
    project = replace(pristine_project, root=folder / "own")
    project.set("vocab", vectors="vectors.txt")
    project.set("encoder", name="encoder")
    project.set("embed", fit_words=100, precompute_words=30)
    project.set("train", epochs=1, device="cpu")
    return folder / "own"


@pytest.fixture(scope="session")
def trained_project(installed: Installed, new_project: Path) -> Path:
    """The project with features and a run, built by separate commands."""
    installed.run("ssmi-cli", "features", "build", cwd=new_project)
    installed.run("ssmi-cli", "train", cwd=new_project)
    return new_project


def test_modules_are_imported_from_the_wheel(installed: Installed, repository: Path, tmp_path: Path) -> None:
    code = "import ssmi, ssmi.pipeline, ssmi.cli.main as m; print(ssmi.__file__, ssmi.pipeline.__file__, m.__file__)"
    for place in installed.run("python", "-c", code, cwd=tmp_path).split():
        assert installed.python.parents[1] in Path(place).parents
        assert repository not in Path(place).resolve().parents


def test_a_new_project_works_from_init_to_predict(installed: Installed, trained_project: Path, built_once: Any) -> None:
    """Its features equal those that the repository's code builds from the same data."""
    (trained_project / "texts.txt").write_text("王小明在北京大学。\n", encoding="utf-8")
    output = installed.run("ssmi-cli", "predict", "--run", "artifacts/train/own", "texts.txt", cwd=trained_project)
    assert '"text": "王小明在北京大学。"' in output
    for name in ("boundaries.parquet", "train/part-00000.parquet"):
        shard = trained_project / "artifacts" / "shards" / "own" / name
        assert shard.read_bytes() == (built_once.root / "artifacts" / "shards" / "tiny" / name).read_bytes()


def test_dvc_repro_does_not_repeat_features_build(installed: Installed, trained_project: Path) -> None:
    before = installed.run("python", "-m", "dvc", "repro", cwd=trained_project)
    assert "features" not in before  # `features build` has reported them to DVC
    assert "up to date" in installed.run("python", "-m", "dvc", "repro", cwd=trained_project)


def test_user_modules_do_not_shadow_the_package(installed: Installed, trained_project: Path) -> None:
    folder = trained_project / "script"
    (folder / "pipeline").mkdir(parents=True)
    for name in ("model.py", "cli.py", "pipeline/__init__.py"):
        (folder / name).write_text("raise SystemExit('the wrong file')\n", encoding="utf-8")
    (folder / "tag.py").write_text(
        "import ssmi\n"
        "tagger = ssmi.open_run('../artifacts/train/own')\n"
        "print(type(tagger('王小明在北京大学。')).__name__)\n",
        encoding="utf-8",
    )
    assert installed.run("python", "tag.py", cwd=folder) == "list\n"
    assert "Usage: ssmi-cli" in installed.run("ssmi-cli", "--help", cwd=folder)
    assert "Usage: " in installed.run("python", "-m", "ssmi.cli.main", "--help", cwd=folder)

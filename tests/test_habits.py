"""Settings that occur in several places agree: checks before a commit, in `make check` and on GitHub; the version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def test_commit_hooks_run_the_commands_of_make_check(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^check: env\n((?:\t.*\n)+)", makefile, re.M)
    (local,) = _yaml(repository / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"  # nothing is downloaded
    hooks = [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in local["hooks"]]
    assert hooks == recipe.replace("\t", "").splitlines()
    assert all((hook["language"], hook["pass_filenames"]) == ("system", False) for hook in local["hooks"])


def test_github_runs_the_ci_script_and_every_supported_python(repository: Path) -> None:
    jobs = _yaml(repository / ".github" / "workflows" / "ci.yml")["jobs"]
    steps = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert steps == {"all": [".ci/run"], "python": ["make test"]}
    assert (repository / ".ci" / "run").stat().st_mode & 0o100
    versions = jobs["python"]["strategy"]["matrix"]["python-version"]
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={versions[0]}" and versions == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize(("file", "line"), [("CHANGELOG.md", "## {} - "), ("CITATION.cff", "version: {}\n")])
def test_the_version_is_the_same_everywhere(repository: Path, file: str, line: str) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert line.format(project["version"]) in (repository / file).read_text(encoding="utf-8")


def test_there_are_as_many_lines_of_tests_as_of_code(repository: Path) -> None:
    def count(folder: str) -> int:
        files = (path for path in (repository / folder).rglob("*.py") if not _is_linked(path, repository))
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)

    n_lines = sum(count(folder) for folder in ("pipeline", "model", "cli", "ssmi"))
    assert n_lines > 0
    assert count("tests") >= n_lines


def _is_linked(path: Path, repository: Path) -> bool:
    """Whether the path goes through a symbolic link; the file is counted at its real path."""
    return path.resolve() != repository.resolve() / path.relative_to(repository)

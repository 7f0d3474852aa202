"""dvc.yaml against the code it names, and DVC itself run in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from cli.features import STAGES
from pipeline.contract.params import Params
from pipeline.stages.registry import STAGE_NAMES, get_stage

ITEM = "${item.dataset}"
FEATURES = ("vocab", *(f"{name}@tiny" for name in STAGE_NAMES[1:]))


@pytest.fixture(scope="module")
def stages(repository: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = YAML(typ="safe").load((repository / "dvc.yaml").read_text("utf-8"))["stages"]
    return found


# --- dvc.yaml and the code ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pipeline", "model", "ssmi", "cli", cache_dir=None)


def _closure(graph: grimp.ImportGraph, module: str, repository: Path) -> set[str]:
    """Files of a module and all that it imports, with the packages around them; empty files hold nothing to track."""
    modules = {module} | graph.find_upstream_modules(module)
    modules |= {name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)}
    files = set()
    for name in modules:
        path = repository.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file() and file.stat().st_size:
            files.add(file.relative_to(repository).as_posix())
    return files


def _artifact(stage: str) -> str:
    return "artifacts/vocab" if stage == "vocab" else f"artifacts/{stage}/{ITEM}"


@pytest.mark.parametrize("name", [*STAGE_NAMES, "train"])
def test_deps_are_the_import_closure_and_the_artifacts(
    stages: dict[str, dict[str, Any]], graph: grimp.ImportGraph, repository: Path, name: str
) -> None:
    if name == "train":
        expected = _closure(graph, "model.training", repository) | {_artifact("shards")}
    else:
        expected = _closure(graph, f"pipeline.stages.{name}", repository)
        expected |= {_artifact(needed) for needed in get_stage(name).needs}
        expected |= {"pipeline/readers/sample"} if name == "prepare" else set()
    listed = stages[name]["deps"]
    assert len(listed) == len(set(listed)), "a dependency is listed twice"
    remove, add = sorted(set(listed) - expected), sorted(expected - set(listed))
    if remove or add:
        lines = [f"      - {path}    # remove" for path in remove] + [f"      - {path}    # add" for path in add]
        pytest.fail(f"dvc.yaml, stages.{name}.deps:\n" + "\n".join(lines), pytrace=False)


def test_one_name_in_five_places(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    assert list(STAGES) == list(STAGE_NAMES)
    assert list(stages) == [*STAGE_NAMES, "train"]
    files = {path.stem for path in (repository / "pipeline" / "stages").glob("*.py")}
    assert files - {"__init__", "registry", "stage"} == set(STAGE_NAMES)
    assert {*STAGE_NAMES, "train"} <= set(Params.model_fields)
    assert set(Params.model_fields) - {*STAGE_NAMES, "train"} == {"datasets", "encoder", "model"}
    for name in STAGE_NAMES:
        stage, entry = get_stage(name), stages[name]
        assert stage.name == name
        assert stage.summary == entry["desc"]
        assert [*stage.sections, *stage.watched] == entry["params"]
        assert [_artifact(name)] == entry["outs"]
        assert name in stage.sections
        assert stage.per_dataset == ("matrix" in entry)
        tail = f" --dataset {ITEM}" if stage.per_dataset else ""
        assert entry["cmd"] == f"ssmi-cli features {name}{tail}"


def test_the_readme_says_what_dvc_yaml_says(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", (repository / "README.md").read_text("utf-8"), re.M)
    assert [row for row in table if row[0] in stages] == [(name, entry["desc"]) for name, entry in stages.items()]


def test_every_section_of_params_yaml_is_read_by_a_stage(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    sections = set(YAML(typ="safe").load((repository / "params.yaml").read_text("utf-8"))) - {"datasets"}
    assert sections == {name.partition(".")[0] for stage in stages.values() for name in stage["params"]}


# --- DVC itself -----------------------------------------------------------------------------------------------------


def _run(project: Any, *command: str) -> str:
    done = subprocess.run(command, cwd=project.root, env=project.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _dvc(project: Any, *arguments: str) -> str:
    return _run(project, sys.executable, "-m", "dvc", *arguments)


def _git(project: Any, *arguments: str) -> str:
    return _run(project, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)


def _make_repository(project: Any, source: Path) -> None:
    """Put the sources that dvc.yaml depends on, and DVC's and git's own files, around the tiny data."""
    for package in ("pipeline", "model", "cli"):
        shutil.copytree(source / package, project.root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", "artifacts/.gitignore"):
        (project.root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, project.root / name)
    _git(project, "init", "--quiet")
    _git(project, "config", "user.name", "t")
    _git(project, "config", "user.email", "t@example.org")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", "all")


@pytest.fixture(scope="module")
def reproduced(pristine_project: Any, copy_project: Any, repository: Path, tmp_path_factory: Any) -> Any:
    """A repository in which ``dvc repro`` ran to the end and its lock was committed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    project = copy_project(pristine_project, tmp_path_factory.mktemp("dvc"))
    project.set("train", epochs=1)
    _make_repository(project, repository)
    _dvc(project, "repro")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", "reproduced")
    return project


def _up_to_date(status: str) -> bool:
    return "up to date" in status


def test_dvc_repro_builds_what_features_build_builds(reproduced: Any, built_once: Any) -> None:
    features = {name: digest for name, digest in reproduced.artifacts().items() if not name.startswith("train")}
    assert {name: digest for name, digest in features.items() if name != ".gitignore"} == built_once.artifacts()
    assert (reproduced.root / "artifacts" / "train" / "tiny" / "metrics.json").is_file()
    assert reproduced.build().built == set()


def test_a_second_repro_finds_nothing_to_do(reproduced: Any) -> None:
    begin = time.monotonic()
    said = _dvc(reproduced, "repro")
    assert time.monotonic() - begin < 15  # some three seconds where nothing else runs
    assert _up_to_date(said)
    assert not re.search(r"Running stage", said)
    assert _git(reproduced, "status", "--porcelain") == ""


def test_features_build_tells_dvc(reproduced: Any) -> None:
    reproduced.set("selection", threshold=0.3)
    assert not _up_to_date(_dvc(reproduced, "status", *FEATURES))
    outcome = reproduced.build()
    assert outcome.built == {"selection", "shards"}
    assert _up_to_date(_dvc(reproduced, "status", *FEATURES))
    # What was built with -S stands in no file, so it must not be recorded as what params.yaml says.
    outcome = reproduced.build("-S", "pmi.estimator=printed")
    assert "not recorded in dvc.lock" in outcome.stderr
    assert not _up_to_date(_dvc(reproduced, "status", *FEATURES))


def test_an_experiment_runs_and_is_listed(reproduced: Any) -> None:
    _git(reproduced, "checkout", "--quiet", ".")
    _dvc(reproduced, "checkout", "--force", "--quiet")
    said = _dvc(reproduced, "exp", "run", "-S", "selection.threshold=0.6", "--name", "higher")
    ran = re.findall(r"Running stage '(\w+)", said)
    assert ran == ["selection", "shards", "train"]
    shown = _dvc(reproduced, "exp", "show", "--csv")
    assert "higher" in shown and "selection.threshold" in shown and "dev.f1" in shown


def test_the_demo_works_without_git(reproduced: Any, copy_project: Any, tmp_path: Path) -> None:
    """As from a tarball: no .git, but all else as it was."""
    project = copy_project(reproduced, tmp_path)
    shutil.rmtree(project.root / ".git")
    outcome = project.process("demo")
    assert outcome.code == 0, outcome.stderr
    assert "Built    60 train, 12 dev, 12 test sentences" in outcome.stdout
    assert "dev F1" in outcome.stdout and "test F1" in outcome.stdout
    assert "no_scm" in (project.root / ".dvc" / "config.local").read_text(encoding="utf-8")

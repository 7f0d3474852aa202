"""dvc.yaml compared with the stages that it is generated from, and DVC run in a project."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ssmi.cli.commands.features import features
from ssmi.dvc.pipeline_file import write_pipeline
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.stages.running.registry import STAGE_NAMES, get_stage

FEATURES = ("vocab", *(f"{name}@tiny" for name in STAGE_NAMES[1:]))


@pytest.fixture(scope="module")
def stages(repository: Path) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = YAML(typ="safe").load((repository / "dvc.yaml").read_text("utf-8"))["stages"]
    return entries


# --- dvc.yaml and the program ---------------------------------------------------------------------------------------


def test_stage_names_agree_everywhere(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    assert set(features.commands) == {"build", "run", *STAGE_NAMES}
    assert list(stages) == [*STAGE_NAMES, "train"]
    files = {path.stem for path in (repository / "pipeline" / "stages").glob("*.py")}
    assert files - {"__init__"} == set(STAGE_NAMES)
    assert {*STAGE_NAMES, "train"} <= set(Params.model_fields)
    assert set(Params.model_fields) - {*STAGE_NAMES, "train"} == {"corpora", "datasets", "encoder", "model"}
    for name in STAGE_NAMES:
        assert get_stage(name).name == name
        assert name in get_stage(name).sections


def test_the_guide_describes_stages_as_dvc_yaml_does(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (.*?) \| .* \|$", (repository / "docs" / "guides" / "features.md").read_text("utf-8"), re.M
    )
    assert [row for row in table if row[0] in stages] == [(name, entry["desc"]) for name, entry in stages.items()]


def test_every_section_of_params_yaml_is_read_by_a_stage(stages: dict[str, dict[str, Any]], repository: Path) -> None:
    sections = set(YAML(typ="safe").load((repository / "params.yaml").read_text("utf-8"))) - {"corpora", "datasets"}
    assert sections == {name.partition(".")[0] for stage in stages.values() for name in stage["params"]}


# --- DVC itself -----------------------------------------------------------------------------------------------------


def _run(project: Any, *command: str) -> str:
    completed = subprocess.run(command, cwd=project.root, env=project.environment, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def _dvc(project: Any, *arguments: str) -> str:
    return _run(project, sys.executable, "-m", "dvc", *arguments)


def _git(project: Any, *arguments: str) -> str:
    return _run(project, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments)


def _make_repository(project: Any, source: Path) -> None:
    """Add the files of DVC and git to the tiny project, without the program's sources."""
    for name in (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore", "artifacts/.gitignore"):
        (project.root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, project.root / name)
    write_pipeline(project.root)
    _git(project, "init", "--quiet")
    _git(project, "config", "user.name", "t")
    _git(project, "config", "user.email", "t@example.org")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", "all")


@pytest.fixture(scope="module")
def reproduced(pristine_project: Any, copy_project: Any, repository: Path, tmp_path_factory: Any) -> Any:
    """A repository in which ``dvc repro`` has finished and its lock is committed."""
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


def test_dvc_repro_and_features_build_give_the_same_files(reproduced: Any, built_once: Any) -> None:
    features = {name: digest for name, digest in reproduced.artifacts().items() if not name.startswith("train")}
    assert {name: digest for name, digest in features.items() if name != ".gitignore"} == built_once.artifacts()
    assert (reproduced.root / "artifacts" / "train" / "tiny" / "metrics.json").is_file()
    assert reproduced.build().built == set()


def test_a_second_repro_does_nothing(reproduced: Any) -> None:
    output = _dvc(reproduced, "repro")
    assert _up_to_date(output)
    assert not re.search(r"Running stage", output)
    assert _git(reproduced, "status", "--porcelain") == ""


def test_dvc_detects_another_stage_version_and_changed_raw_files(repository_copy: Any) -> None:
    project = repository_copy
    assert _up_to_date(_dvc(project, "status"))
    path = project.root / "dvc.yaml"
    written = path.read_text(encoding="utf-8")
    command = f"ssmi-cli features selection --stage-version {get_stage('selection').version}"
    assert command in written
    path.write_text(written.replace(command, command[:-1] + "0"), encoding="utf-8")
    status = _dvc(project, "status")
    assert "selection@tiny" in status and "changed command" in status and "prepare@tiny" not in status
    built = project.build()
    assert built.built == set() and "dvc.yaml was written by another version; run ssmi-cli dvc write" in built.stderr
    assert project.ssmi("dvc", "write").code == 0
    assert path.read_text(encoding="utf-8") == written and _up_to_date(_dvc(project, "status"))
    with project.raw("train").open("a", encoding="utf-8") as stream:
        stream.write("\n长 O\n江 O\n")
    assert "prepare@tiny" in _dvc(project, "status")


def test_features_build_records_its_outputs_in_dvc(reproduced: Any) -> None:
    reproduced.set("selection", threshold=0.3)
    assert not _up_to_date(_dvc(reproduced, "status", *FEATURES))
    outcome = reproduced.build()
    assert outcome.built == {"selection", "shards"}
    assert _up_to_date(_dvc(reproduced, "status", *FEATURES))
    # Overrides with -S are in no file, so the result must not be recorded as that of params.yaml.
    outcome = reproduced.build("-S", "pmi.estimator=paper")
    assert "not recorded in dvc.lock" in outcome.stderr
    assert not _up_to_date(_dvc(reproduced, "status", *FEATURES))


HOLD_DVC_LOCK = """
import sys
from dvc.repo import Repo
with Repo(".").lock:
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_features_build_reports_what_a_running_dvc_keeps_it_from_recording(repository_copy: Any) -> None:
    project = repository_copy
    running = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLD_DVC_LOCK],
        cwd=project.root,
        env=dict(project.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None and running.stdout.readline() == "ready\n"
        outcome = project.build()
        running.communicate("end\n", timeout=600)
    assert outcome.built == set()
    (note,) = outcome.stderr.splitlines()
    assert re.fullmatch(r"not recorded in dvc\.lock: dvc commit: .*Unable to acquire lock.* again to record it", note)
    assert project.build().stderr == ""


def test_two_concurrent_builds_of_current_features_succeed(repository_copy: Any) -> None:
    project = repository_copy
    processes = [project.start("features", "build") for _ in range(2)]
    for process in processes:
        with process:
            _, stderr = process.communicate(timeout=1200)
        assert process.returncode == 0
        assert [line for line in stderr.splitlines() if not line.startswith("waiting: ")] == []
    assert _up_to_date(_dvc(project, "status"))


@pytest.mark.heavy
def test_two_concurrent_repros_give_the_result_of_one(repository_copy: Any) -> None:
    """DVC refuses the second, or lets it run the remaining stages; the result is the same as after one."""
    project = repository_copy
    project.set("selection", threshold=0.4)
    command = [sys.executable, "-m", "dvc", "repro"]
    processes = [
        subprocess.Popen(
            command, cwd=project.root, env=dict(project.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(timeout=1200)
    assert 0 in {process.returncode for process in processes}
    _dvc(project, "repro")
    after_two = project.artifacts()
    assert project.build("--force").built == set(STAGE_NAMES)
    assert {name: digest for name, digest in project.artifacts().items() if not name.startswith("train")} == {
        name: digest for name, digest in after_two.items() if not name.startswith("train")
    }


def test_train_records_its_outputs_in_dvc(repository_copy: Any) -> None:
    project = repository_copy
    project.set("train", seed=7)
    assert "train@tiny" in _dvc(project, "status")
    outcome = project.ssmi("train", "-S", "train.seed=8")
    assert outcome.code == 0 and "not recorded in dvc.lock" in outcome.stderr, outcome.stderr
    assert "train@tiny" in _dvc(project, "status")
    outcome = project.ssmi("train", "--run", str(project.root / "another run"))
    assert outcome.code == 0 and "dvc.lock" not in outcome.stderr, outcome.stderr
    assert "train@tiny" in _dvc(project, "status")
    outcome = project.ssmi("train")
    assert outcome.code == 0 and "dvc.lock" not in outcome.stderr, outcome.stderr
    assert _up_to_date(_dvc(project, "status"))
    assert not re.search(r"Running stage", _dvc(project, "repro"))


def test_an_experiment_runs_and_is_listed(reproduced: Any) -> None:
    _git(reproduced, "checkout", "--quiet", ".")
    _dvc(reproduced, "checkout", "--force", "--quiet")
    output = _dvc(reproduced, "exp", "run", "-S", "selection.threshold=0.6", "--name", "higher")
    stages = re.findall(r"Running stage '(\w+)", output)
    assert stages == ["selection", "shards", "train"]
    documented = _dvc(reproduced, "exp", "show", "--csv")
    assert "higher" in documented and "selection.threshold" in documented and "dev.f1" in documented


@pytest.fixture
def repository_copy(reproduced: Any, copy_project: Any, tmp_path: Path) -> Any:
    """A writable copy of the repository, as committed."""
    project = copy_project(reproduced, tmp_path)
    _git(project, "checkout", "--quiet", ".")
    _dvc(project, "checkout", "--force", "--quiet")
    return project


def _lock(project: Any) -> dict[str, Any]:
    lock: dict[str, Any] = YAML(typ="safe").load((project.root / "dvc.lock").read_text(encoding="utf-8"))
    return lock


def _commit_lock_of_another_processor(project: Any) -> None:
    """Change the digests of all outputs that depend on floats, as in a dvc.lock from another processor."""
    text = (project.root / "dvc.lock").read_text(encoding="utf-8")
    for name in ("embed", "selection", "shards", "train"):
        for out in _lock(project)["stages"][f"{name}@tiny"]["outs"]:
            digest, dot, kind = out["md5"].partition(".")
            text = text.replace(digest + dot + kind, digest[::-1] + dot + kind)
    (project.root / "dvc.lock").write_text(text, encoding="utf-8")
    _git(project, "commit", "--quiet", "--all", "--message", "elsewhere")


def _contents(project: Any) -> dict[str, bytes]:
    files = (path for path in (project.root / "artifacts").rglob("*") if path.is_file() and "pinned" not in path.parts)
    return {path.relative_to(project.root).as_posix(): path.read_bytes() for path in files}


def test_the_documented_command_restores_the_demo_after_an_experiment(repository_copy: Any, repository: Path) -> None:
    """The committed dvc.lock is from another processor and git has no user name; the commands are from the guide."""
    project = repository_copy
    _commit_lock_of_another_processor(project)
    _git(project, "config", "--unset", "user.name")
    _git(project, "config", "--unset", "user.email")
    home = project.root.parent / "home"
    home.mkdir()
    project = dataclasses.replace(project, environment={**project.environment, "HOME": str(home)})
    outcome = project.process("demo")
    assert outcome.code == 0, outcome.stderr
    (restore_command,) = re.findall(r"^  (dvc exp apply demo && dvc repro) ", outcome.stdout, re.M)
    guide = (repository / "docs" / "guides" / "dvc.md").read_text(encoding="utf-8")
    documented = "".join(re.findall(r"^```sh$(.*?)^```$", guide, re.M | re.S))
    assert restore_command in documented and "checkout" not in documented
    before, params, lock = _contents(project), (project.root / "params.yaml").read_bytes(), _lock(project)
    assert _git(project, "status", "--porcelain").split() == ["M", "dvc.lock"]

    _git(project, "config", "user.name", "t")  # DVC requires it for its first experiment
    _git(project, "config", "user.email", "t@example.org")
    _dvc(project, "exp", "run", "-S", "selection.threshold=0.6")
    changed = _contents(project)
    assert changed.keys() == before.keys() and changed != before
    _run(project, "sh", "-ec", restore_command)
    assert _contents(project) == before
    assert ((project.root / "params.yaml").read_bytes(), _lock(project)) == (params, lock)
    assert _up_to_date(_dvc(project, "status"))


def test_names_with_blanks_are_quoted_for_dvc(repository_copy: Any) -> None:
    project = repository_copy
    (project.root / "data" / "tiny").rename(project.root / "data" / "my data")
    _set_datasets(project, "my data", "数据 2")
    output = _dvc(project, "repro", "segment@my data")
    assert re.search(r"> ssmi-cli features prepare --stage-version \d+ --dataset 'my data'", output)
    assert (project.root / "artifacts" / "segment" / "my data" / "manifest.json").is_file()
    outcome = project.build("--dataset", "my data")
    assert {"embed", "selection", "pmi", "shards"} <= outcome.built
    assert _up_to_date(_dvc(project, "status", *(f"{name}@my data" for name in STAGE_NAMES[1:])))
    stage_list = _dvc(project, "stage", "list")
    assert "train@my data" in stage_list and "train@数据 2" in stage_list


def test_names_cannot_inject_shell_commands(repository_copy: Any) -> None:
    """DVC reads params.yaml before this program can refuse its contents."""
    project = repository_copy
    _set_datasets(project, "x; touch here", 'x"; touch here; "', "x'; touch here; '", "$(touch here)", "x\ntouch here")
    completed = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--keep-going"],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
    )
    assert completed.returncode != 0 and "not a plain name" in completed.stderr
    assert list(project.root.rglob("here*")) == []


def _set_datasets(project: Any, *names: str) -> None:
    yaml, path = YAML(typ="safe"), project.root / "params.yaml"
    tree = yaml.load(path.read_text(encoding="utf-8"))
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump({**tree, "datasets": list(names)}, stream)


def test_the_demo_works_without_git(reproduced: Any, copy_project: Any, tmp_path: Path) -> None:
    """Like an unpacked tarball: no .git, everything else unchanged."""
    project = copy_project(reproduced, tmp_path)
    shutil.rmtree(project.root / ".git")
    outcome = project.process("demo")
    assert outcome.code == 0, outcome.stderr
    assert "Built    60 train, 12 dev, 12 test sentences" in outcome.stdout
    assert "dev F1" in outcome.stdout and "test F1" in outcome.stdout
    assert "dvc exp" not in outcome.stdout  # experiments are kept in git
    assert "no_scm" in (project.root / ".dvc" / "config.local").read_text(encoding="utf-8")

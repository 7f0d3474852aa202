"""Every verb of a project whose storage does not exist: verbs that read report it, verbs that build create it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.runs.files import COUNTS
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.project import Project

READING: Mapping[str, Callable[[Project], object]] = {
    "adapt_encoder": lambda project: project.adapt_encoder(out=project.root / "adapted"),
    "compare": lambda project: project.compare(_run(project), _run(project), split="test"),
    "evaluate": lambda project: project.evaluate(),
    "explain": lambda project: project.explain("京", "北京"),
    "predict_shards": lambda project: project.predict_shards("news"),
    "report": lambda project: project.report(),
    "sql": lambda project: project.sql("SHOW TABLES"),
    "stats": lambda project: project.stats(),
    "stats_sql": lambda project: project.stats_sql("overview"),
    "train": lambda project: project.train(),
    "verify": lambda project: project.verify(),
}
"""Verbs that use or inspect features: each checks the storage first."""
BUILDING = {"ablate", "build_features", "demo", "paper", "run_stage"}
WITHOUT_STORAGE = {"check_data", "export", "open_run", "write_dvc"}
"""Verbs that read raw data or the features that a run has stored, or write the stages of DVC."""
RUN = "RUN"
"""Placeholder for the run's folder."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "stats --print-sql": ("stats", "overview", "--print-sql"),
    "stats --sql": ("stats", "--sql", "SHOW TABLES"),
    "compare": ("compare", RUN, RUN, "--split", "test"),
    "predict --shards": ("predict", "--shards", "news"),
    "train": ("train",),
}


def _run(project: Project) -> Path:
    return project.paths.run("tiny")


@pytest.fixture(scope="module")
def trained(tagging_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A read-only project with features and a run without counts of the test split."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("verbs"))
    shutil.rmtree(_run(ssmi.open_project(project.root)) / COUNTS)
    return project


def test_every_verb_is_classified() -> None:
    verbs = {name for name, one in vars(Project).items() if not name.startswith("_") and callable(one)}
    for base in Project.__bases__:
        verbs |= {name for name, one in vars(base).items() if not name.startswith("_") and callable(one)}
    assert verbs == READING.keys() | BUILDING | WITHOUT_STORAGE


@pytest.mark.parametrize("verb", READING)
def test_reading_verbs_refuse_missing_storage(trained: Any, tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").write_bytes(b"{}")
    for name, message in (("not-there", "does not exist"), ("file", "a file, not a folder")):
        opened = ssmi.open_project(trained.root, storage=(tmp_path / name).as_uri())
        with pytest.raises(MissingResourceError, match=f"{name}: {message}") as caught:
            READING[verb](opened)
        assert "check the URL; features build makes the folder" in caught.value.next_step
    assert not (tmp_path / "not-there").exists() and not (trained.root / "adapted").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_report_missing_storage_in_one_line(
    trained: Any, s3_environment: dict[str, str], command: str
) -> None:
    project = type(trained)(trained.root, {**trained.environment, **s3_environment})
    run = str(project.root / "artifacts" / "train" / "tiny")
    words = (run if word == RUN else word for word in COMMANDS[command])
    outcome = project.ssmi("--storage", "s3://there-is-no-such-bucket/x", *words)
    assert outcome.code == 4 and not outcome.stdout, outcome.stderr
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: s3://there-is-no-such-bucket/x: does not exist"]


def test_an_ablation_creates_the_storage_and_uses_its_features(
    trained: Any, fresh_project: Any, tmp_path: Path
) -> None:
    storage = (tmp_path / "storage").as_uri()
    ssmi.open_project(trained.root, storage=storage).ablate(only=["bert-crf"], n_seeds=1, dry_run=True)
    assert (tmp_path / "storage" / "shards" / "tiny" / "manifest.json").is_file()
    other = ssmi.open_project(fresh_project.root, storage=storage)
    other.ablate(only=["bert-crf"], n_seeds=1, dry_run=True)
    assert {one.state for one in other.build_features().stages} == {"current"}
    assert fresh_project.artifacts("shards") == trained.artifacts("shards")

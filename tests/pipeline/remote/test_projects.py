"""Projects on several machines with one storage, through the command line and Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError

SECRET = "very-secret-of-a-test"


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    return f"{make_bucket()}/features"


@pytest.fixture
def machine(
    pristine_project: Any, copy_project: Any, s3_environment: dict[str, str], tmp_path: Path
) -> Callable[[str], Any]:
    """A function that makes a project with nothing built and its own cache."""

    def machine(name: str) -> Any:
        project = copy_project(pristine_project, tmp_path / name)
        cache = tmp_path / name / "cache"
        return replace(project, environment={**project.environment, **s3_environment, "SSMI_CACHE": str(cache)})

    return machine


def _contains_no_secret(root: Path) -> bool:
    return not any(SECRET.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_features_built_on_one_machine_are_used_on_another(
    machine: Callable[[str], Any], bucket: str, built_once: Any, tmp_path: Path
) -> None:
    """The bytes are those without storage; the second machine queries, trains and verifies but builds nothing."""
    first, second = machine("one"), machine("two")
    built = first.ssmi("--storage", bucket, "features", "build")
    assert built.code == 0 and set(built.states.values()) == {"built"}, built.stderr
    assert first.artifacts() == built_once.artifacts()
    statistics = second.ssmi("--storage", bucket, "stats", "overview", "--format", "csv")
    assert statistics.code == 0 and statistics.stdout == first.ssmi("stats", "overview", "--format", "csv").stdout
    assert second.artifacts() == built_once.artifacts()
    fetched = second.ssmi("--storage", bucket, "features", "build")
    assert fetched.code == 0 and set(fetched.states.values()) == {"current"}
    third = machine("three")
    trained = third.ssmi("--storage", bucket, "train", "-S", "train.max_steps=1")
    assert trained.code == 0 and third.artifacts("shards") == built_once.artifacts("shards"), trained.stderr
    verified = first.ssmi("--storage", bucket, "verify", "--deep", "--json")
    folders = {first["folder"]: first for first in json.loads(verified.stdout)["folders"]}
    assert verified.code == 0 and folders[f"{bucket}/shards/tiny"]["intact"] > 3
    assert folders[f"{bucket}/shards/tiny"]["intact"] == folders["artifacts/shards/tiny"]["intact"]
    assert _contains_no_secret(tmp_path), "keys occur in no output, message or cache"


def test_verify_reports_damage_in_the_storage(project: Any, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    opened = ssmi.open_project(project.root, storage=storage.as_uri())
    opened.build_features()
    assert not opened.verify(deep=True).findings
    (words,) = storage.glob("vocab/*/words.parquet")
    words.write_bytes(words.read_bytes()[:-1] + b"?")
    assert not opened.verify().findings
    (finding,) = opened.verify(deep=True).findings
    assert finding.path == words.as_uri(), "the finding names the stored file"
    assert str(finding.state) == "changed" and f"remove {storage.as_uri()}/vocab there" in finding.next_step


def test_verify_refuses_missing_and_invalid_storage(project: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"{}")
    for name, message in (("not-there", "does not exist"), ("file", "a file, not a folder")):
        opened = ssmi.open_project(project.root, storage=(tmp_path / name).as_uri())
        with pytest.raises(MissingResourceError, match=message):
            opened.verify()
    with pytest.raises(ParameterError, match="nothing can be written over http"):
        ssmi.open_project(project.root, storage="http://127.0.0.1:1/x").verify()


def test_each_share_runs_on_a_separate_machine(machine: Callable[[str], Any], bucket: str, built_once: Any) -> None:
    """As in a SLURM array: each job has a copy of the project, and a last job joins the shares."""
    environment = {"SSMI_STORAGE": bucket}
    machines = [machine(name) for name in ("one", "two", "join")]
    machines = [replace(one, environment={**one.environment, **environment}) for one in machines]
    for stage in ("vocab", "prepare"):
        assert machines[0].ssmi("features", "run", stage).code == 0
    for index in (1, 2):
        outcome = machines[index - 1].ssmi("features", "run", "segment", "--part", f"{index}/2")
        assert outcome.code == 0, outcome.stderr
    joined = machines[2].ssmi("features", "run", "segment")
    assert joined.code == 0, joined.stderr
    assert machines[2].artifacts("segment") == built_once.artifacts("segment")
    repeated = machines[0].ssmi("features", "run", "segment", "--part", "1/2")
    assert repeated.stdout == "segment: already current, nothing to do for part 1/2\n"
    assert not list((machines[0].root / ".ssmi" / "scratch" / "stages").glob("segment+tiny/*/marks/*"))


@pytest.mark.parametrize(
    ("url", "code", "message", "step"),
    [
        ("nosuch://x", 2, "error: storage nosuch://x: no storage is called nosuch", "known: "),
        ("not-a-url", 2, "--storage not-a-url: not a URL", "s3://BUCKET/FOLDER"),
        ("s3://key:hush@bucket/x", 2, "--storage: a s3 URL with a password in it", "environment"),
        ("gs://bucket/x", 4, "error: storage gs://bucket/x: its driver is not installed", "pip install 'gcsfs'"),
        ("s3://there-is-no-such-bucket/x", 4, "there-is-no-such-bucket", "docs/guides/storage.md"),
    ],
)
def test_unusable_storage_is_reported_in_one_line(
    machine: Callable[[str], Any], url: str, code: int, message: str, step: str
) -> None:
    project = machine("one")
    outcome = project.ssmi("--storage", url, "features", "build")
    assert outcome.code == code and message in outcome.stderr and step in outcome.stderr
    assert "Traceback" not in outcome.stderr and "hush" not in outcome.stderr and SECRET not in outcome.stderr


def test_storage_in_process_memory_is_refused_for_a_cluster(project: Any) -> None:
    opened = ssmi.open_project(project.root, storage="memory://trial")
    with pytest.raises(ParameterError, match="this process's memory"):
        opened.build_features(scheduler="tcp://127.0.0.1:9")
    assert {one.state for one in opened.build_features().stages} == {"current"}


def test_vectors_texts_and_corpora_by_url_equal_local_ones(
    machine: Callable[[str], Any], bucket: str, built_once: Any, s3_environment: dict[str, str], tmp_path: Path
) -> None:
    project = machine("one")
    storage = tmp_path / "texts"
    for name in ("vectors.txt",):
        (storage / "words").mkdir(parents=True)
        (project.root / name).rename(storage / "words" / name)
    (storage / "news").mkdir()
    (storage / "news" / "a.txt").write_text("长江大桥在南京市。\n", encoding="utf-8")
    url = storage.as_uri()
    project.set("vocab", vectors=f"{url}/words/vectors.txt")
    assert project.ssmi("features", "build").code == 0
    digests, expected = project.artifacts("vocab"), built_once.artifacts("vocab")
    assert {name for name in digests if digests[name] != expected[name]} == {"manifest.json"}
    corpus = project.ssmi("features", "build", "--corpus", f"{url}/news", "--like", "tiny")
    assert corpus.code == 0, corpus.stderr
    assert (project.root / "artifacts" / "shards" / "news" / "text" / "part-00000.parquet").is_file()
    project.set("pmi", unlabelled=[f"{url}/news"])
    outcome = project.ssmi("features", "pmi")
    assert outcome.code == 0, outcome.stderr
    body = json.loads((project.root / "artifacts" / "pmi" / "tiny" / "manifest.json").read_text(encoding="utf-8"))
    assert "unlabelled/0/a.txt" in body["inputs"]

"""Runs of version 0.1: every interface names the version and the next step, and none crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.runs.files import CHECKPOINT_FORMAT
from ssmi.model.split_tagging import tag_split
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Silent

MESSAGE = "a run of another version of ssmi (format 2, this version reads 4)"
ADVICE = "train again with this version"


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    change(body)
    path.write_text(json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _rename(body: dict[str, Any], **keys: str) -> None:
    for new, old in keys.items():
        body[old] = body.pop(new)


def _old_params(body: dict[str, Any]) -> None:
    _rename(body["embed"], precompute_words="ahead")
    _rename(body["model"], segment_positions="segment_places")
    body["model"]["gmi"] = "printed"


def _old_metadata(body: dict[str, Any]) -> None:
    _rename(body, fingerprint="made_from")
    _rename(body["made_from"], **{"model.segment_positions": "model.segment_places"})
    body["made_from"]["model.gmi"] = "printed"
    body["format"] = 2


def _old_manifest(body: dict[str, Any]) -> None:
    body["schema_version"] = 1


def make_old(run: Path) -> None:
    """Convert a finished run to the format of version 0.1, including digests."""
    checkpoint = run / "checkpoint"
    _rewrite(checkpoint / "params.json", _old_params)
    _rewrite(checkpoint / "checkpoint.json", _old_metadata)
    _rewrite(checkpoint / "shards" / "manifest.json", _old_manifest)
    digest = digest_file(checkpoint / "shards" / "manifest.json")
    _rewrite(checkpoint / "checkpoint.json", lambda body: body.update(shards=digest))
    files = (path for path in checkpoint.rglob("*") if path.is_file() and path.name != "files.json")
    digests = {path.relative_to(checkpoint).as_posix(): digest_file(path) for path in files}
    (checkpoint / "files.json").write_text(json.dumps(digests), encoding="utf-8")


@pytest.fixture
def old_project(tagging_project: Any, copy_project: Any, tmp_path: Path) -> Any:
    project = copy_project(tagging_project, tmp_path)
    make_old(project.root / "artifacts" / "train" / "tiny")
    return project


def test_python_functions_refuse_an_old_run(old_project: Any) -> None:
    run, shards = (old_project.root / "artifacts" / name / "tiny" for name in ("train", "shards"))
    functions: dict[str, Callable[[], object]] = {
        "open_run": lambda: ssmi.open_run(run),
        "tag_split": lambda: tag_split(run=run, shards=shards, split="dev", device="cpu", reporter=Silent()).scores,
        "compare_runs": lambda: ssmi.compare_runs(run, run),
    }
    for name, function in functions.items():
        with pytest.raises(StaleArtifactError) as raised:
            function()
        assert MESSAGE in raised.value.message and ADVICE in raised.value.next_step, name


@pytest.mark.parametrize("form", ["as it was built", "features of version 0.1 too"])
def test_commands_refuse_an_old_run(old_project: Any, form: str) -> None:
    run = old_project.root / "artifacts" / "train" / "tiny"
    if form != "as it was built":
        for manifest in (old_project.root / "artifacts").glob("**/manifest.json"):
            _rewrite(manifest, _old_manifest)
    text = old_project.root / "text.txt"
    text.write_text("王小明在北京。\n", encoding="utf-8")
    commands = (
        ["evaluate"],
        ["evaluate", "--run", str(run)],
        ["predict", str(text)],
        ["report", "--run", str(run)],
        ["report", "--dataset", "tiny"],
        ["compare", str(run), str(run)],
        ["export", "--out", str(old_project.root / "packed")],
    )
    for command in commands:
        outcome = old_project.ssmi(*command)
        assert outcome.code == 5, (command, outcome)
        assert MESSAGE in outcome.stderr and f"next: build the features and {ADVICE}" in outcome.stderr, command
        assert "Traceback" not in outcome.stderr


def test_resuming_an_old_run_is_refused_and_training_replaces_it(old_project: Any) -> None:
    run = old_project.root / "artifacts" / "train" / "tiny"
    (run / "metrics.json").unlink()
    (run / "state").mkdir()
    state = {"format": 1, "file": "a.safetensors", "epoch": 2, "step": 0, "steps": 3, "loss": 0.0, "history": []}
    (run / "state" / "state.json").write_text(json.dumps({**state, "made_from": {}}), encoding="utf-8")
    (run / "state" / "a.safetensors").write_bytes(b"")
    outcome = old_project.ssmi("train", "--resume")
    assert outcome.code == 5
    assert "an unfinished run of another version of ssmi (state.json: format 1, this version reads 3)" in outcome.stderr
    assert f"next: {ADVICE}, without resuming" in outcome.stderr
    assert old_project.ssmi("train", "-S", "train.epochs=1").code == 0
    assert old_project.ssmi("evaluate").code == 0


def test_an_ablation_retrains_an_old_run(project: Any) -> None:
    command = ("ablate", "--only", "bert-crf", "--seeds", "1", "-S", "train.epochs=1")
    assert project.ssmi(*command).code == 0
    (run,) = (path.parent for path in (project.root / "artifacts" / "ablate").glob("**/checkpoint"))
    before = (run / "metrics.json").read_bytes()
    make_old(run)
    outcome = project.ssmi(*command)
    assert outcome.code == 0 and f"retraining because {run}: {MESSAGE}" in outcome.stderr
    assert (run / "metrics.json").read_bytes() == before
    assert (
        json.loads((run / "checkpoint" / "checkpoint.json").read_text(encoding="utf-8"))["format"] == CHECKPOINT_FORMAT
    )

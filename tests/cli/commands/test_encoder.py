"""``ssmi-cli encoder adapt``: adapt an encoder to the text of a data set, then train a run that uses it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ADAPT = ("encoder", "adapt", "--dataset", "tiny", "--epochs", "2", "--lr", "3e-3", "--device", "cpu")


@pytest.fixture(scope="module")
def adapted_once(
    built_once: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    """A built project with an adapted encoder, and the outcome of the command. Read-only."""
    project = copy_project(built_once, tmp_path_factory.mktemp("adapted"))
    outcome = project.ssmi(*ADAPT, "--out", str(project.root / "adapted"))
    assert outcome.code == 0, outcome.stderr
    return project, outcome


def test_a_summary_of_the_adaptation_is_printed(adapted_once: tuple[Any, Any]) -> None:
    project, outcome = adapted_once
    first, second, third = outcome.stdout.splitlines()
    assert re.fullmatch(r".*/adapted: encoder after 2 epochs on \d+ sentences of tiny", first)
    figures = re.fullmatch(
        r"  held-out loss ([\d.]+) -> ([\d.]+), guessed [\d.]+% -> [\d.]+% of the masked characters "
        r"\(before: with a head of random weights\)",
        second,
    )
    assert figures is not None and float(figures[2]) < float(figures[1])
    command = "ssmi-cli features build --dataset tiny -S encoder.name=./adapted"
    assert third == f"  next: {command}, then train with the same -S"
    assert "epoch 2: loss " in outcome.stderr and "before: held-out loss " in outcome.stderr
    record = json.loads((project.root / "adapted" / "adaptation.json").read_text(encoding="utf-8"))
    assert f"{record['before']['loss']:.3f}" == figures[1]
    assert f"{record['epochs'][-1]['held_out']['loss']:.3f}" == figures[2]
    assert (record["parent"], record["dataset"]) == ("encoder", "tiny")


def test_the_suggested_next_step_works(
    adapted_once: tuple[Any, Any], copy_project: Callable[..., Any], tmp_path: Path
) -> None:
    project = copy_project(adapted_once[0], tmp_path)
    options = ("--dataset", "tiny", "-S", "encoder.name=./adapted")
    states = project.build(*options[:2], *options[2:]).states
    assert states["embed"] == states["shards"] == "built" and states["segment"] == "current"
    run = tmp_path / "run"
    outcome = project.ssmi("train", *options, "-S", "train.epochs=1", "--run", str(run))
    assert outcome.code == 0, outcome.stderr
    # text is tagged with the adapted encoder's features
    text = tmp_path / "text.txt"
    text.write_text("吴重阳先生毕业于北京大学。\n", encoding="utf-8")
    outcome = project.ssmi("predict", "--run", str(run), str(text), "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    # and shards of one encoder are refused for training with another
    outcome = project.ssmi("train", "--dataset", "tiny", "--run", str(run))
    assert outcome.code == 5 and "encoder" in outcome.stderr


def test_json_output_is_the_stored_record(project: Any, tmp_path: Path) -> None:
    outcome = project.ssmi(
        *ADAPT, "--epochs", "1", "--seed", "5", "--batch-size", "30", "--out", str(tmp_path / "e"), "--json"
    )
    assert outcome.code == 0, outcome.stderr
    body = json.loads(outcome.stdout)
    record = json.loads((tmp_path / "e" / "adaptation.json").read_text(encoding="utf-8"))
    assert {**body, "sha256": record["sha256"]} == record
    assert body["settings"] == {
        "epochs": 1,
        "batch_size": 30,
        "seed": 5,
        "lr": 3e-3,
        "lr_head": 1e-3,
        "precision": "fp32",
    }


def test_an_existing_folder_is_refused(project: Any, tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    outcome = project.ssmi(*ADAPT, "--out", str(tmp_path / "e"))
    assert outcome.code == 2
    assert "e: already exists" in outcome.stderr and "next: name a new folder" in outcome.stderr
    assert list((tmp_path / "e").iterdir()) == []


def test_an_unknown_data_set_is_refused(project: Any, tmp_path: Path) -> None:
    outcome = project.ssmi("encoder", "adapt", "--dataset", "weibbo", "--out", str(tmp_path / "e"))
    assert outcome.code == 4
    assert "'weibbo'" in outcome.stderr and "did you mean 'weibo'?" in outcome.stderr


def test_missing_features_are_refused(fresh_project: Any, tmp_path: Path) -> None:
    outcome = fresh_project.ssmi(*ADAPT, "--out", str(tmp_path / "e"))
    assert outcome.code == 4
    assert "not built" in outcome.stderr and "features build" in outcome.stderr


def test_features_of_another_encoder_are_refused(project: Any, tmp_path: Path) -> None:
    shutil.copytree(project.root / "encoder", project.root / "other")
    config = project.root / "other" / "config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    outcome = project.ssmi(*ADAPT, "-S", "encoder.name=./other", "--out", str(tmp_path / "e"))
    assert outcome.code == 5
    assert "encoder" in outcome.stderr and "features build" in outcome.stderr
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    "option", [("--epochs", "0"), ("--lr", "0"), ("--batch-size", "0"), ("--seed", "-1"), ("--dataset", "../x")]
)
def test_invalid_values_are_refused(project: Any, tmp_path: Path, option: tuple[str, str]) -> None:
    outcome = project.ssmi(*ADAPT, *option, "--out", str(tmp_path / "e"))
    assert outcome.code == 2 and option[0 if option[0] != "--dataset" else 1] in outcome.stderr


def test_out_is_required(project: Any) -> None:
    outcome = project.ssmi(*ADAPT)
    assert outcome.code == 2 and "--out" in outcome.stderr

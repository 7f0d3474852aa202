"""``ssmi-cli params``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def test_current_values_are_shown_inside_a_project(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("params", "train.epochs")
    assert outcome.code == 0
    first, *others = outcome.stdout.splitlines()
    assert first == "train.epochs: 2    (default: 6)"
    explained = " ".join(" ".join(others).split())
    assert explained.startswith("Number of epochs. ")
    assert explained.endswith("[whole number, at least 1, at most 10,000]")
    (row,) = json.loads(fresh_project.ssmi("params", "train.epochs", "--json").stdout)
    assert (row["name"], row["default"], row["value"], row["type"]) == (
        "train.epochs",
        6,
        2,
        "whole number, at least 1, at most 10,000",
    )


def test_defaults_are_shown_outside_a_project(tmp_path: Path, environment: dict[str, str], repository: Path) -> None:
    def params(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "ssmi.cli.main", "params", *arguments],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    output = params()
    assert "train.epochs: 6\n" in output and 'datasets: ["sample"]\n' in output
    rows = json.loads(params("selection", "--json"))
    assert {row["name"].partition(".")[0] for row in rows} == {"selection"} and "value" not in rows[0]


def test_help_is_shown_despite_an_invalid_params_yaml(fresh_project: Any) -> None:
    fresh_project.set("model", fusion="nowhere")
    outcome = fresh_project.ssmi("params", "model.fusion")
    assert outcome.code == 0 and outcome.stdout.startswith("model.fusion: input\n")
    assert "model.fusion: expected none, input, layer or output, got nowhere; the defaults are shown" in outcome.stderr


def test_unknown_names_get_a_suggestion(fresh_project: Any) -> None:
    outcome = fresh_project.ssmi("params", "model.fuson")
    assert outcome.code == 2 and "model.fusion" in outcome.stderr
    outcome = fresh_project.ssmi("params", "nope")
    *_, advice = outcome.stderr.splitlines()
    assert outcome.code == 2 and advice.startswith("  next: known: corpora, datasets, embed, encoder, "), outcome.stderr
    assert "." not in advice and advice.count("datasets") == 1

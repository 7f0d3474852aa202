"""Completions of option values, requested in the same way as by a shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from ssmi.cli.main import cli


@pytest.fixture
def complete(pristine_project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("SSMI_DATA", raising=False)

    def complete(*words: str) -> list[str]:
        arguments = ["--project", str(pristine_project.root), *words[:-1]]
        shell = ShellComplete(cli, {}, "ssmi-cli", "_SSMI_CLI_COMPLETE")
        return [item.value for item in shell.get_completions(arguments, words[-1])]

    return complete


@pytest.mark.parametrize(
    "command", [("train",), ("evaluate",), ("stats",), ("features", "embed"), ("data", "check"), ("predict",)]
)
def test_available_data_sets_are_completed(
    complete: Any, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"resume", "sample", "tiny", "weibo"} <= set(complete(*command, "--dataset", ""))
    (tmp_path / "tidy").mkdir()
    monkeypatch.setenv("SSMI_DATA", str(tmp_path))
    assert complete(*command, "--dataset", "ti") == ["tidy", "tiny"]


def test_listed_corpora_are_completed_by_the_names_that_commands_take(tmp_path: Path) -> None:
    (tmp_path / "texts" / "news.v2").mkdir(parents=True)
    (tmp_path / "texts" / "posts.2026.txt").write_text("长江\n", encoding="utf-8")
    listed = "texts/news.v2, texts/posts.2026.txt, https://host/old/letters.txt.gz"
    (tmp_path / "params.yaml").write_text(f"datasets: [tiny]\ncorpora: [{listed}]\n", encoding="utf-8")
    shell = ShellComplete(cli, {}, "ssmi-cli", "_SSMI_CLI_COMPLETE")
    words = ["--project", str(tmp_path), "features", "build", "--corpus"]
    assert [item.value for item in shell.get_completions(words, "")] == ["letters", "news.v2", "posts"]


def test_configurations_are_completed(complete: Any) -> None:
    assert "bert-crf" in complete("train", "--config", "b")
    assert complete("ablate", "--only", "ssmi,bert-c") == ["ssmi,bert-crf"]


@pytest.mark.parametrize("command", [("train",), ("ablate",), ("explain",), ("features", "build")])
def test_parameters_and_their_values_are_completed(complete: Any, command: tuple[str, ...]) -> None:
    assert complete(*command, "-S", "model.fusion_") == ["model.fusion_layer="]
    assert {"train.seed=", "vocab.vectors=", "pmi.estimator="} <= set(complete(*command, "-S", ""))
    assert complete(*command, "-S", "model.fusion=") == [
        "model.fusion=input",
        "model.fusion=layer",
        "model.fusion=none",
        "model.fusion=output",
    ]
    assert complete(*command, "-S", "model.can=t") == ["model.can=true"]
    assert complete(*command, "-S", "model.nothing=") == []


def test_parameter_names_are_completed(complete: Any) -> None:
    assert complete("params", "model.fu") == ["model.fusion", "model.fusion_layer"]
    assert {"model", "datasets", "train.seed"} <= set(complete("params", ""))


@pytest.mark.parametrize("command", ["train", "evaluate", "report", "predict", "ablate"])
def test_devices_are_completed(complete: Any, command: str) -> None:
    assert complete(command, "--device", "c") == ["cpu", "cuda", "cuda:0", "cuda:1"]


def test_completion_loads_nothing_heavy_and_needs_no_project(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom click.shell_completion import ShellComplete\nfrom ssmi.cli.main import cli\n"
        "shell = ShellComplete(cli, {}, 'ssmi-cli', '_SSMI_CLI_COMPLETE')\n"
        "for words in (['train', '--dataset'], ['train', '-S'], ['train', '--config'], ['predict', '--encoding'],\n"
        "              ['evaluate', '--run'], ['train', '--device']):\n"
        "    assert shell.get_completions(words, ''), words\n"
        "assert not {'torch', 'transformers', 'dask', 'duckdb', 'polars', 'gensim'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

"""The examples run unchanged on a built project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _run(script: Path, *arguments: str, project: Any) -> str:
    completed = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_the_training_example_runs(project: Any, repository: Path) -> None:
    output = _run(repository / "examples" / "train_and_score.py", ".", project=project)
    assert "shards     current" in output
    assert "weights in artifacts/train/tiny" in output
    assert output.splitlines()[-1].startswith("all ")
    assert (project.root / "artifacts" / "train" / "tiny" / "metrics.json").is_file()


def test_the_counting_example_runs(tagging_project: Any, repository: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    characters = [line.split(" ")[0] for line in tagging_project.raw("train").read_text("utf-8").split("\n")]
    texts.write_text("".join(character or "\n" for character in characters), encoding="utf-8")
    script = repository / "examples" / "count_entities.py"
    rows = _run(script, "artifacts/train/tiny", str(texts), project=tagging_project).splitlines()
    counts = [int(row.split()[0]) for row in rows]
    assert len(rows) == 20
    assert counts == sorted(counts, reverse=True)


def test_the_counting_example_prints_its_usage(repository: Path, environment: dict[str, str]) -> None:
    script = repository / "examples" / "count_entities.py"
    completed = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert completed.returncode == 1
    assert completed.stderr == "usage: python examples/count_entities.py RUN FILE\n"


def test_the_notebook_runs(
    tagging_project: Any, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSMI_PROJECT", str(tagging_project.root))
    notebook = json.loads((repository / "examples" / "features.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["coverage"].height > 0
    assert set(names["longest"]["split"]) == {"train", "dev", "test"}
    assert names["explanation"].nearest(1)
    assert "on dev, of" in capsys.readouterr().out


def test_the_notebook_contains_no_output(repository: Path) -> None:
    notebook = json.loads((repository / "examples" / "features.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook["cells"])

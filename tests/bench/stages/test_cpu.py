"""`make bench-features` runs, and its output is plausible."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.stages.cpu import STAGES


@pytest.mark.heavy
def test_stages_and_ratios_are_printed(built_once: Any, repository: Path) -> None:
    module = [sys.executable, "-m", "tests.bench.stages.cpu"]
    command = [*module, "--project", str(built_once.root), "--dataset", "tiny"]
    environment = {**built_once.environment, "PYTHONPATH": str(repository)}
    before = built_once.artifacts()
    completed = subprocess.run(
        [*command, "--than", str(repository)],
        cwd=repository, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert built_once.artifacts() == before
    lines = dict(re.findall(r"^(.+?) {2,}(\S+)", completed.stdout, re.M))
    assert set(lines) >= {*STAGES, "all", "all but the segmenter"}
    # The same program on both sides.
    times = [float(value) for value in re.findall(r"([\d.]+) times$", completed.stdout, re.M)]
    assert len(times) == len(STAGES) + 2 and all(0.2 < value < 5 for value in times)
    ratios = [
        "matching / daachorse's loop",
        "selection / dense product",
        "its products alone / dense product",
        "pmi / DuckDB's group-by",
        "embedding / bare encoder",
    ]
    assert all(float(lines[name]) > 0 for name in ratios)
    assert float(lines["selection / dense product"]) < 1

"""`make bench` runs, and its output is plausible."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.heavy
@pytest.mark.assets
def test_every_ratio_is_printed(repository: Path) -> None:
    module = [sys.executable, "-m", "tests.bench.training.speed"]
    command = [*module, "--dataset", "sample", "--steps", "4", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    completed = subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True, text=True)
    ratios = {
        title.strip(): float(value)
        for title, value in re.findall(r"^(.+?) {2,}(\d+\.\d\d) \(quartiles", completed.stdout + "\n", re.M)
    }
    assert set(ratios) == {
        "full network / bert-crf, fine-tuned",
        "full network, fine-tuned / stored states",
        "bert-crf, fine-tuned / stored states",
        "pytorch-crf / CRF, training",
        "pytorch-crf / CRF, Viterbi",
        "matrix products / bert-crf step, one thread",
    }
    assert 0.2 < ratios["matrix products / bert-crf step, one thread"] < 1.0
    assert ratios["full network, fine-tuned / stored states"] > 1.0

"""`make bench-memory` runs with plausible output, and the memory of a process agrees with the system's figure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.stages.memory import PARALLEL_STAGES, STAGES
from tests.bench.stages.processes import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_peaks_and_times_include_the_workers(tmp_path: Path) -> None:
    n_bytes = 64 << 20
    worker = f"import time; x = bytearray({n_bytes}); x[::4096] = b'1' * len(x[::4096]); s = time.process_time()\n"
    worker += "while time.process_time() < s + 0.4: pass"
    driver = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {worker!r}], check=True)"
    finished = run([sys.executable, "-c", driver], cwd=tmp_path, environment=dict(os.environ))
    (worker_process,) = finished.workers
    assert 64 < worker_process.peak < 64 + 40 and finished.driver.peak < 40
    assert worker_process.cpu >= 0.35
    assert (
        finished.cpu == pytest.approx(finished.driver.cpu + worker_process.cpu) == pytest.approx(finished.critical_path)
    )


def test_a_failing_command_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], cwd=tmp_path, environment=dict(os.environ))
    assert caught.value.returncode == 3 and b"why" in caught.value.output


@pytest.mark.heavy
def test_every_stage_is_printed(built_once: Any, repository: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"第{n}条中国人民在北京大学工作，共{n * 7}人。\n" for n in range(320)), encoding="utf-8")
    module = [sys.executable, "-m", "tests.bench.stages.memory"]
    command = [*module, "--project", str(built_once.root), "--dataset", "tiny"]
    environment = {**built_once.environment, "PYTHONPATH": str(repository)}
    before = built_once.artifacts()
    completed = subprocess.run(
        [*command, "--text", str(text), "--lines", "40", "--part", "16"],
        cwd=repository, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert built_once.artifacts() == before
    printed = {line.split()[0]: [float(number) for number in re.findall(r"[\d.]+", line)] for line in
            completed.stdout.splitlines() if " driver " in line}  # fmt: skip
    assert set(printed) == set(STAGES)
    for peaks in printed.values():
        assert peaks[3] == pytest.approx(max(peaks[:3]) / min(peaks[:3]), abs=0.01)
    speedups = re.findall(r"^(\S+) +critical path .* two: ([\d.]+) times; without the start", completed.stdout, re.M)
    assert [name for name, _ in speedups] == list(PARALLEL_STAGES)

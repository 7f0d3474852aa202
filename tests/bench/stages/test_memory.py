"""`make bench-memory` runs with plausible output, and the memory of a process agrees with the system's figure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.stages.memory import SHARED, STAGES
from tests.bench.stages.processes import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_peaks_and_times_are_those_of_the_command_and_its_workers(tmp_path: Path) -> None:
    held = 64 << 20
    worker = f"import time; x = bytearray({held}); x[::4096] = b'1' * len(x[::4096]); s = time.process_time()\n"
    worker += "while time.process_time() < s + 0.4: pass"
    driver = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {worker!r}], check=True)"
    done = run([sys.executable, "-c", driver], cwd=tmp_path, environment=dict(os.environ))
    (seen,) = done.workers
    assert 64 < seen.peak < 64 + 40 and done.driver.peak < 40
    assert seen.cpu >= 0.35
    assert done.cpu == pytest.approx(done.driver.cpu + seen.cpu) == pytest.approx(done.critical_path)


def test_a_command_that_fails_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], cwd=tmp_path, environment=dict(os.environ))
    assert failed.value.returncode == 3 and b"why" in failed.value.output


@pytest.mark.heavy
def test_every_stage_is_told(built_once: Any, repository: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"第{n}条中国人民在北京大学工作，共{n * 7}人。\n" for n in range(320)), encoding="utf-8")
    module = [sys.executable, "-m", "tests.bench.stages.memory"]
    command = [*module, "--project", str(built_once.root), "--dataset", "tiny"]
    environment = {**built_once.environment, "PYTHONPATH": str(repository)}
    before = built_once.artifacts()
    done = subprocess.run(
        [*command, "--text", str(text), "--lines", "40", "--part", "16"],
        cwd=repository, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert built_once.artifacts() == before
    told = {line.split()[0]: [float(number) for number in re.findall(r"[\d.]+", line)] for line in
            done.stdout.splitlines() if " driver " in line}  # fmt: skip
    assert set(told) == set(STAGES)
    for peaks in told.values():
        assert peaks[3] == pytest.approx(max(peaks[:3]) / min(peaks[:3]), abs=0.01)
    shared = re.findall(r"^(\S+) +critical path .* two: ([\d.]+) times; without the start", done.stdout, re.M)
    assert [name for name, _ in shared] == list(SHARED)

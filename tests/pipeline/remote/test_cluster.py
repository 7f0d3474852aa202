"""A Dask cluster whose workers share no folder with the build, nor with one another: an object store is between."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.dask_scheduler import address_in

BUILD = ("features", "build", "-S", "prepare.sentences_per_part=8", "-S", "embed.context=sentence")
BUILD = (*BUILD, "-S", "shards.hidden=true")


def _wait_until(happened: Callable[[], bool], what: str, *, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


@dataclass
class Machine:
    """A dask process with a working folder and a cache of its own."""

    folder: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """SIGKILL to the process and its children: a worker has a nanny."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def says(self, text: str) -> bool:
        return text in (self.folder / "log").read_text(encoding="utf-8", errors="replace")


@dataclass
class Machines:
    """A scheduler and its workers, each in a folder of its own."""

    folder: Path
    environment: dict[str, str]
    started: list[Machine] = field(default_factory=list)

    @property
    def address(self) -> str:
        return address_in(self.folder / "scheduler.json")

    def start(self, *arguments: str) -> Machine:
        folder = self.folder / f"machine-{len(self.started)}"
        folder.mkdir()
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        environment = {**self.environment, "SSMI_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}
        with (folder / "log").open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )
        self.started.append(Machine(folder, process))
        return self.started[-1]

    def start_scheduler(self) -> Machine:
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        return self.start("scheduler", "--port", "0", "--scheduler-file", str(file))

    def start_workers(self, n: int) -> list[Machine]:
        workers = [self.start("worker", self.address, "--nworkers", "1", "--nthreads", "1") for _ in range(n)]
        for worker in workers:
            _wait_until(lambda worker=worker: worker.says("Registered to"), "a worker")  # type: ignore[misc]
        return workers


@pytest.fixture
def machines(tmp_path: Path, environment: dict[str, str], s3_environment: dict[str, str]) -> Iterator[Machines]:
    (tmp_path / "machines").mkdir()
    made = Machines(tmp_path / "machines", {**environment, **s3_environment})
    try:
        yield made
    finally:
        for machine in made.started:
            machine.kill()


@pytest.fixture(scope="module")
def serial_bytes(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The artifacts of a serial build without storage."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("serial"))
    outcome = project.ssmi(*BUILD)
    assert outcome.code == 0, outcome.stderr
    artifacts: dict[str, str] = project.artifacts()
    return artifacts


@pytest.fixture
def builder(fresh_project: Any, tmp_path: Path, s3_environment: dict[str, str]) -> Any:
    """The machine that builds: a project of which nothing is built, with a cache of its own."""
    environment = {**fresh_project.environment, **s3_environment, "SSMI_CACHE": str(tmp_path / "cache")}
    return replace(fresh_project, environment=environment)


def test_workers_of_other_folders_give_the_serial_bytes_whoever_is_killed(
    builder: Any, machines: Machines, make_bucket: Callable[[], str], serial_bytes: dict[str, str]
) -> None:
    """A worker is killed in the middle, then the scheduler; the same command goes on with the parts that are there."""
    url = f"{make_bucket()}/project"
    command = ("--storage", url, *BUILD, "--scheduler")
    scheduler = machines.start_scheduler()
    worker, _ = machines.start_workers(2)
    marks = builder.root / ".ssmi" / "scratch" / "stages" / "embed+tiny"

    def n_parts_of_embed() -> int:
        return len(list(marks.glob("*/marks/01-embed/*.json")))

    with builder.start(*command, machines.address) as process:
        segmented = builder.root / "artifacts" / "segment" / "tiny" / "manifest.json"
        _wait_until(lambda: segmented.exists() or process.poll() is not None, "the segment stage")
        worker.kill()
        _wait_until(lambda: n_parts_of_embed() > 1 or process.poll() is not None, "two parts of embed")
        assert process.poll() is None, process.communicate()[1]
        scheduler.kill()
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 4 and "Traceback" not in stderr
    assert "error: embed: the Dask scheduler went away" in stderr
    machines.start_scheduler()
    machines.start_workers(2)
    outcome = builder.process(*command, machines.address)
    assert outcome.code == 0, outcome.stderr
    (found,) = re.findall(r"^embed: (\d+) of \d+ parts are there already$", outcome.stderr, re.M)
    assert int(found) > 1
    assert builder.artifacts() == serial_bytes


@pytest.mark.heavy
@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_serial_bytes(
    builder: Any, machines: Machines, make_bucket: Callable[[], str], serial_bytes: dict[str, str], n_workers: int
) -> None:
    url = f"{make_bucket()}/project"
    machines.start_scheduler()
    workers = machines.start_workers(n_workers)
    outcome = builder.process("--storage", url, *BUILD, "--scheduler", machines.address)
    assert outcome.code == 0, outcome.stderr
    assert builder.artifacts() == serial_bytes
    for worker in workers:
        assert not (worker.folder / "artifacts").exists() and not list(worker.folder.glob("*.parquet"))
    assert any((worker.folder / "cache" / "objects").is_dir() for worker in workers)

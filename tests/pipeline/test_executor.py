"""Who does the work never shows in the bytes: serial, local processes, a Dask cluster, and one that loses workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Several parts, and every kind of work on them: also the encoder's, over sentences.
BUILD = ("features", "build", "-S", "prepare.sentences_per_part=8", "-S", "shards.hidden=true")
BUILD = (*BUILD, "-S", "embed.context=sentence")


def _wait_until(happened: Callable[[], bool], what: str, *, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


@dataclass
class Daemon:
    """A dask process with children of its own (a worker has a nanny), all of which can be killed at once."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def says(self, text: str) -> Callable[[], bool]:
        return lambda: text in self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class DaskCluster:
    """``dask scheduler`` and ``dask worker`` as the README tells to start them, on loopback."""

    folder: Path
    environment: dict[str, str]
    daemons: list[Daemon]

    @property
    def address(self) -> str:
        address: str = json.loads((self.folder / "scheduler.json").read_text(encoding="utf-8"))["address"]
        return address

    def start(self, *arguments: str) -> Daemon:
        log = self.folder / f"{len(self.daemons)}.log"
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        command += ["--scheduler-file", str(self.folder / "scheduler.json")]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=stream, stderr=stream, start_new_session=True
            )
        self.daemons.append(Daemon(process, log))
        return self.daemons[-1]

    def start_worker(self) -> Daemon:
        return self.start("worker", "--nworkers", "1", "--nthreads", "1", "--local-directory", str(self.folder))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[DaskCluster]:
    """A scheduler with two workers."""
    made = DaskCluster(tmp_path_factory.mktemp("cluster"), environment, [])
    try:
        made.start("scheduler", "--port", "0")
        _wait_until((made.folder / "scheduler.json").exists, "the scheduler")
        workers = [made.start_worker() for _ in range(2)]
        for worker in workers:
            _wait_until(worker.says("Registered to"), "a worker")
        yield made
    finally:
        for daemon in made.daemons:
            if daemon.process.poll() is None:
                daemon.kill()


@pytest.fixture(scope="module")
def serial_bytes(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The artifacts of a serial build."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("serial"))
    outcome = project.ssmi(*BUILD)
    assert outcome.code == 0, outcome.stderr
    artifacts: dict[str, str] = project.artifacts()
    assert sum(name.startswith("shards/tiny/train/part-") and name.endswith(".parquet") for name in artifacts) == 8
    return artifacts


def test_local_processes_give_the_same_bytes(fresh_project: Any, serial_bytes: dict[str, str]) -> None:
    outcome = fresh_project.process(*BUILD, "--workers", "2")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("shards:")
    assert fresh_project.artifacts() == serial_bytes


def test_a_dask_cluster_gives_the_same_bytes(
    fresh_project: Any, cluster: DaskCluster, serial_bytes: dict[str, str]
) -> None:
    outcome = fresh_project.process(*BUILD, "--scheduler", cluster.address)
    assert outcome.code == 0, outcome.stderr
    assert fresh_project.artifacts() == serial_bytes


def test_a_killed_worker_costs_no_byte(fresh_project: Any, cluster: DaskCluster, serial_bytes: dict[str, str]) -> None:
    """The victim is new, so it is still importing torch when it dies, with its share of the parts in its queue."""
    victim = cluster.start_worker()
    _wait_until(victim.says("Registered to"), "a third worker")
    with fresh_project.start(*BUILD, "--scheduler", cluster.address) as process:
        segmented = fresh_project.root / "artifacts" / "segment" / "tiny" / "manifest.json"
        _wait_until(lambda: segmented.exists() or process.poll() is not None, "the segment stage")
        assert process.poll() is None
        assert not (fresh_project.root / "artifacts" / "embed").joinpath("tiny").exists()
        victim.kill()
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 0, stderr
    assert fresh_project.artifacts() == serial_bytes


def test_an_error_in_a_worker_arrives_whole(project: Any, cluster: DaskCluster) -> None:
    (project.root / "more.txt").write_bytes("长江\n".encode() + b"\xff\n")
    project.set("pmi", unlabelled=["more.txt"])
    before = project.artifacts()
    outcome = project.process("features", "build", "--scheduler", cluster.address)
    assert outcome.code == 3
    *_, message, advice = outcome.stderr.splitlines()
    assert message.startswith("error: ") and message.endswith("more.txt:2: not UTF-8 at byte 0")
    assert advice == "  next: convert the text to UTF-8"
    assert "Traceback" not in outcome.stderr
    assert project.artifacts() == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer(fresh_project: Any, address: str) -> None:
    outcome = fresh_project.process("features", "build", "--scheduler", address)
    assert outcome.code == 4
    message, advice = outcome.stderr.splitlines()
    assert f"no Dask scheduler answers at {address}" in message
    assert "dask scheduler" in advice and "--workers" in advice
    assert fresh_project.artifacts() == {}

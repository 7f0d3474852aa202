"""The bytes do not depend on the executor: serial, local processes, or a Dask cluster, even one that loses workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import MAX_BYTES, Cluster, Executor, Serial, Work
from ssmi.pipeline.local_workers import TASKS_IN_FLIGHT_PER_WORKER
from tests.dask_scheduler import address_in

# Several parts and every kind of task, including encoding sentences.
BUILD: tuple[str, ...] = ("features", "build", "-S", "prepare.sentences_per_part=8", "-S", "shards.hidden=true")
BUILD = (*BUILD, "-S", "embed.context=sentence")


def _wait_until(condition: Callable[[], bool], description: str, *, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {description}"
        time.sleep(0.02)


@dataclass
class Daemon:
    """A dask process and its children (a worker has a nanny), all of which can be killed at once."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def has_logged(self, text: str) -> Callable[[], bool]:
        return lambda: text in self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class DaskCluster:
    """``dask scheduler`` and ``dask worker``, started on loopback as the README describes."""

    folder: Path
    environment: dict[str, str]
    daemons: list[Daemon]

    @property
    def address(self) -> str:
        return address_in(self.folder / "scheduler.json")

    def start(self, *arguments: str) -> Daemon:
        log = self.folder / f"{len(self.daemons)}.log"
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=stream, stderr=stream, start_new_session=True
            )
        self.daemons.append(Daemon(process, log))
        return self.daemons[-1]

    def start_scheduler(self) -> Daemon:
        return self.start("scheduler", "--port", "0", "--scheduler-file", str(self.folder / "scheduler.json"))

    def start_worker(self) -> Daemon:
        one_thread = ("--nworkers", "1", "--nthreads", "1")
        return self.start("worker", self.address, *one_thread, "--local-directory", str(self.folder))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[DaskCluster]:
    """A scheduler with two workers."""
    dask_cluster = DaskCluster(tmp_path_factory.mktemp("cluster"), environment, [])
    try:
        dask_cluster.start_scheduler()
        workers = [dask_cluster.start_worker() for _ in range(2)]
        for worker in workers:
            _wait_until(worker.has_logged("Registered to"), "a worker")
        yield dask_cluster
    finally:
        for daemon in dask_cluster.daemons:
            if daemon.process.poll() is None:
                daemon.kill()


def test_a_lost_scheduler_is_reported_and_finished_parts_are_kept(
    fresh_project: Any, tmp_path: Path, environment: dict[str, str], serial_bytes: dict[str, str]
) -> None:
    """Kill a separate scheduler once parts of the embed stage are finished; the next run makes the missing parts."""
    cluster = DaskCluster(tmp_path, environment, [])
    try:
        scheduler = cluster.start_scheduler()
        worker = cluster.start_worker()
        _wait_until(worker.has_logged("Registered to"), "a worker")
        marks = fresh_project.root / ".ssmi" / "scratch" / "stages" / "embed+tiny"
        with fresh_project.start(*BUILD, "--scheduler", cluster.address) as process:
            _wait_until(
                lambda: len(list(marks.glob("*/marks/01-embed/*.json"))) > 1 or process.poll() is not None, "two parts"
            )
            assert process.poll() is None
            scheduler.kill()
            _, stderr = process.communicate(timeout=1200)
    finally:
        for daemon in cluster.daemons:
            if daemon.process.poll() is None:
                daemon.kill()
    assert process.returncode == 4 and "Traceback" not in stderr
    *_, message, advice = stderr.splitlines()
    assert message == "error: embed: the Dask scheduler went away"
    assert (
        advice == "  next: restart the scheduler and workers, then run the same command again; finished parts are kept"
    )
    outcome = fresh_project.process(*BUILD)
    assert outcome.code == 0, outcome.stderr
    (n_reused,) = re.findall(r"^embed: (\d+) of \d+ parts are already finished$", outcome.stderr, re.M)
    assert int(n_reused) > 1
    assert fresh_project.artifacts() == serial_bytes


@pytest.fixture(scope="module")
def serial_bytes(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The artifacts of a serial build."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("serial"))
    outcome = project.ssmi(*BUILD)
    assert outcome.code == 0, outcome.stderr
    artifacts: dict[str, str] = project.artifacts()
    assert sum(name.startswith("shards/tiny/train/part-") and name.endswith(".parquet") for name in artifacts) == 8
    return artifacts


@pytest.mark.parametrize("workers", ["1", "2"])
def test_local_processes_give_the_same_bytes(fresh_project: Any, serial_bytes: dict[str, str], workers: str) -> None:
    outcome = fresh_project.process(*BUILD, "--workers", workers)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("shards:")
    assert fresh_project.artifacts() == serial_bytes


def test_a_dask_cluster_gives_the_same_bytes(
    fresh_project: Any, cluster: DaskCluster, serial_bytes: dict[str, str]
) -> None:
    outcome = fresh_project.process(*BUILD, "--scheduler", cluster.address)
    assert outcome.code == 0, outcome.stderr
    assert fresh_project.artifacts() == serial_bytes


def test_a_killed_worker_changes_no_byte(
    fresh_project: Any, cluster: DaskCluster, serial_bytes: dict[str, str]
) -> None:
    """The killed worker is new: it is still importing torch, with its share of the parts in its queue."""
    new_worker = cluster.start_worker()
    _wait_until(new_worker.has_logged("Registered to"), "a third worker")
    with fresh_project.start(*BUILD, "--scheduler", cluster.address) as process:
        segmented = fresh_project.root / "artifacts" / "segment" / "tiny" / "manifest.json"
        _wait_until(lambda: segmented.exists() or process.poll() is not None, "the segment stage")
        assert process.poll() is None
        assert not (fresh_project.root / "artifacts" / "embed").joinpath("tiny").exists()
        new_worker.kill()
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 0, stderr
    assert fresh_project.artifacts() == serial_bytes


def test_an_error_in_a_worker_is_reported_completely(project: Any, cluster: DaskCluster) -> None:
    (project.root / "more.txt").write_bytes("长江\n".encode() + b"\xff\n")
    project.set("pmi", unlabelled=["more.txt"])
    before = project.artifacts()
    outcome = project.process("features", "build", "--scheduler", cluster.address)
    assert outcome.code == 3
    *_, message, advice = outcome.stderr.splitlines()
    assert message.startswith("error: ") and "more.txt:2: not UTF-8 (byte 1 of the line is 0x" in message
    assert advice == "  next: convert the text to UTF-8"
    assert "Traceback" not in outcome.stderr
    assert project.artifacts() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheduler", "nonsense"), "scheduler nonsense: not an address of a Dask scheduler"),
        (("--scheduler", ""), "scheduler : not an address of a Dask scheduler"),
        (("--scheduler", "127.0.0.1:8786"), "tcp://HOST:PORT"),
        (("--scheduler", "tcp://127.0.0.1:9", "--workers", "2"), "2 local workers and the scheduler tcp://127.0.0.1:9"),
    ],
)
def test_invalid_schedulers_are_refused(pristine_project: Any, options: tuple[str, ...], message: str) -> None:
    outcome = pristine_project.ssmi("features", "build", *options)
    assert outcome.code == 2 and message in outcome.stderr


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9"])
def test_an_unreachable_scheduler_is_reported(fresh_project: Any, address: str) -> None:
    outcome = fresh_project.process("features", "build", "--scheduler", address)
    assert outcome.code == 4
    message, advice = outcome.stderr.splitlines()
    assert f"no Dask scheduler answers at {address}" in message
    assert "dask scheduler" in advice and "--workers" in advice
    assert fresh_project.artifacts() == {}


@dataclass(frozen=True)
class Numbered:
    number: int
    file: Path
    text: str = ""


def reciprocal(task: Numbered) -> str:
    return "x" * (10 // task.number)


def as_text(task: Numbered) -> str:
    return task.text


def _map(executor: Executor, function: Callable[[Numbered], str], tasks: list[Numbered]) -> list[str]:
    work = Work(function=function, tasks=tasks, sizes=[1] * len(tasks), label="work", unit="tasks")
    return list(executor.map(work, Silent()))


def _tasks(*numbers: int, text: str = "") -> list[Numbered]:
    return [Numbered(number, Path(f"segment/tiny/train/part-0000{number}.parquet"), text) for number in numbers]


@pytest.fixture(scope="module")
def in_process() -> Iterator[Any]:
    """A real scheduler whose workers are threads of this process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(params=["serial", "cluster"])
def executor(request: pytest.FixtureRequest, in_process: Any) -> Executor:
    return Serial() if request.param == "serial" else Cluster(in_process)


def test_results_are_in_the_order_of_tasks(executor: Executor) -> None:
    assert _map(executor, reciprocal, _tasks(5, 1, 2)) == ["xx", "x" * 10, "xxxxx"]
    assert _map(executor, reciprocal, []) == []


def test_an_unexpected_error_names_its_part(executor: Executor) -> None:
    with pytest.raises(SsmiError) as caught:
        _map(executor, reciprocal, _tasks(5, 2, 0))
    assert caught.value.message.startswith("work: part 3 of 3 (train/part-00000.parquet): ZeroDivisionError: ")
    assert "--debug" in caught.value.next_step and isinstance(caught.value.__cause__, ZeroDivisionError)


def test_too_large_tasks_are_refused(executor: Executor) -> None:
    fits = _tasks(1, 2, text="x" * (MAX_BYTES - 1000))
    assert len(_map(executor, as_text, fits)) == 2
    large = [*fits, *_tasks(3, text="x" * MAX_BYTES)]
    with pytest.raises(SsmiError, match=r"work: part 3 of 3 \(train/part-00003.parquet\): a task of 65,\d{3} bytes"):
        _map(executor, as_text, large)


def test_too_large_results_are_refused(executor: Executor) -> None:
    with pytest.raises(
        SsmiError, match=r"work: part 1 of 1 .*: a result of 1\d\d,\d{3} bytes exceeds the limit of 65,536"
    ):
        _map(executor, repeated, _tasks(1, text="x" * 50_000))


def repeated(task: Numbered) -> str:
    return task.text * 3


N_JOINING = 6
all_joined = threading.Barrier(N_JOINING)
started = threading.Event()


def wait_for_all(task: Numbered) -> str:
    """Return once all joining workers run such a task at the same time: more tasks than the first worker's window."""
    started.set()
    all_joined.wait(timeout=600)
    return "met"


def test_workers_that_join_later_get_tasks(in_process: Any) -> None:
    assert N_JOINING > TASKS_IN_FLIGHT_PER_WORKER, "the first window must not hold all tasks"

    def join() -> None:
        started.wait(timeout=600)
        in_process.cluster.scale(N_JOINING)

    joining = threading.Thread(target=join)
    joining.start()
    try:
        assert _map(Cluster(in_process), wait_for_all, _tasks(*range(N_JOINING))) == ["met"] * N_JOINING
    finally:
        started.set()
        joining.join()

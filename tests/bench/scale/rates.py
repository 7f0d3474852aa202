"""Overhead of parts that do no work: in the scheduler, the driver, a worker, and manifests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from distributed import Client

from ssmi.pipeline.columns.queries import SCHEMA, QueryFiles
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.manifest import FileEntry, Manifest, StageReport
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.executor import Serial, Work, open_executor
from ssmi.pipeline.parts.unfinished import UnfinishedStage
from tests.bench.scale.figures import Rates
from tests.dask_scheduler import address_in

ROOT = Path(__file__).resolve().parents[3]
BYTES_DIGESTED = 1 << 26
N_RANGES = 50
SECONDS_IDLE = 5


@dataclass(frozen=True)
class Task:
    """A task of about the size of a stage's task."""

    source: Path
    target: Path
    vocabulary: Path
    vocabulary_digest: str


def do_nothing(task: Task) -> int:
    """Do nothing, in place of a part's work."""
    return 0


@dataclass(frozen=True)
class Sleep:
    """A task that takes time but no core."""

    seconds: float


def sleep(task: Sleep) -> int:
    """Sleep for the seconds of a task."""
    time.sleep(task.seconds)
    return 0


def sleep_on_dask(folder: Path, *, n_tasks: int, seconds: float, n_workers: int) -> float:
    """Wall-clock time of sleeping tasks on a real scheduler, from the first submission to the last result."""
    with (
        dask_on_loopback(folder, n_workers=n_workers) as (address, _),
        open_executor(scheduler=address) as executor,
        Client(address) as client,
    ):
        client.wait_for_workers(n_workers)
        for n in (4 * n_workers, n_tasks):  # the first pass includes one-time loading
            start = time.monotonic()
            tasks = [Sleep(seconds)] * n
            work = Work(function=sleep, tasks=tasks, sizes=[1] * n, label="sleep", unit="tasks")
            for _ in executor.map(work, Silent()):
                pass
    return time.monotonic() - start


def measure(*, n_tasks: int, n_files: int) -> Rates:
    """Measure all rates, with ``n_tasks`` tasks, and manifests of ``n_files`` files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scheduler, driver, look = _dask(folder, n_tasks)
        plan, worker, plan_memory = _parts(folder, n_tasks)
        size, write, read, memory, listing = _manifest(folder / "stage", n_files)
        return Rates(
            scheduler=scheduler,
            driver=driver,
            look=look,
            plan=plan,
            worker=worker,
            listing=listing,
            manifest_bytes=size,
            manifest_read=read,
            manifest_memory=memory,
            manifest_write=write,
            plan_memory=plan_memory,
            range_open=_ranges(folder, n_parts=n_tasks // N_RANGES),
            digest=_digest(folder / "bytes"),
        )


def tasks_in(folder: Path, n: int) -> list[Task]:
    """Tasks for ``n`` parts that do not exist."""
    return [
        Task(tables.part_path(folder / "in", "text", index), tables.part_path(folder / "out", "text", index), folder,
             f"{index:064x}") for index in range(n)
    ]  # fmt: skip


def _work(tasks: Sequence[Task]) -> Work[Task, int]:
    return Work(function=do_nothing, tasks=tasks, sizes=[1] * len(tasks), label="rate", unit="parts")


@contextmanager
def dask_on_loopback(folder: Path, *, n_workers: int) -> Iterator[tuple[str, int]]:
    """Run a Dask scheduler with workers of one thread; yields its address and process id."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    scheduler_file = folder / "scheduler.json"
    worker = ["--no-nanny", "--nworkers", "1", "--nthreads", "1", "--local-directory", str(folder)]
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        processes.append(subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.DEVNULL))

    try:
        start("scheduler", "--port", "0", "--scheduler-file", str(scheduler_file))
        address = address_in(scheduler_file)
        for _ in range(n_workers):
            start("worker", address, *worker)
        yield address, processes[0].pid
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _dask(folder: Path, n: int) -> tuple[float, float, float]:
    """CPU seconds per task of the scheduler, of the driver, and of one check whether a task is done."""
    with dask_on_loopback(folder, n_workers=1) as (address, scheduler):
        with open_executor(scheduler=address) as executor:
            tasks = tasks_in(folder, n)

            def run(part_of_tasks: Sequence[Task]) -> None:
                list(executor.map(_work(part_of_tasks), Silent()))

            run(tasks[:20])  # one-time loading
            idle = _cpu_when_idle(scheduler)
            before, start, wall_start = _cpu_of(scheduler), time.process_time(), time.monotonic()
            run(tasks)
            driver = time.process_time() - start
            # Its periodic work runs without tasks too, and takes longer on a busy machine.
            scheduler_cpu = _cpu_of(scheduler) - before - idle * (time.monotonic() - wall_start)
        with Client(address) as client:
            futures = client.map(do_nothing, tasks, pure=False)
            start = time.process_time()
            sum(not future.done() for future in futures)
            look = time.process_time() - start
    return max(0.0, scheduler_cpu) / n, driver / n, look / n


def _cpu_when_idle(process: int) -> float:
    """CPU seconds per second of an idle process."""
    before, start = _cpu_of(process), time.monotonic()
    time.sleep(SECONDS_IDLE)
    return (_cpu_of(process) - before) / (time.monotonic() - start)


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _parts(folder: Path, n: int) -> tuple[float, float, float]:
    """CPU seconds per part before the first one is run, and of running one; bytes of memory per part."""
    tracemalloc.start()
    start = time.process_time()
    unfinished = UnfinishedStage(folder / "unfinished", "key")
    unfinished.begin()
    tasks = tasks_in(unfinished.output, n)
    results = unfinished.map(Serial(), _work(tasks), Silent())
    next(results)
    planned = time.process_time()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    running_start = time.process_time()
    for _ in results:
        pass
    return (planned - start) / n, (time.process_time() - running_start) / (n - 1), size / n


def _manifest(folder: Path, n: int) -> tuple[float, float, float, float, float]:
    """Per file of a manifest: bytes, seconds to write, to read again, bytes in memory; seconds to list a part."""
    parts = [tables.part_path(folder, "text", index) for index in range(n)]
    parts[0].parent.mkdir(parents=True)
    for part in parts:
        part.touch()
    files = {
        part.relative_to(folder).as_posix(): FileEntry(f"{index:064x}", 123_456, 2048)
        for index, part in enumerate(parts)
    }
    start = time.process_time()
    manifests.save(Manifest("segment", "corpus", {}, {}, StageReport(n, n), files, 1), folder)
    write = time.process_time() - start
    tracemalloc.start()
    manifests.load(folder)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    start = time.process_time()
    manifests.load(folder)
    read = time.process_time() - start
    start = time.process_time()
    assert tables.row_counts(tables.list_parts(folder, "text")) == [2048] * n
    listing = time.process_time() - start
    return (folder / manifests.MANIFEST_NAME).stat().st_size / n, write / n, read / n, memory / n, listing / n


def _ranges(folder: Path, *, n_parts: int) -> float:
    """CPU seconds per part and range, for merging the range and numbering the part."""
    files = QueryFiles(folder / "queries", n_parts)
    files.folder.mkdir()
    codes = pa.array(range(0x4E00, 0x4E00 + N_RANGES), pa.int64())
    queries = pa.table([codes, pa.array(["词"] * N_RANGES), pa.nulls(N_RANGES, pa.binary())], schema=SCHEMA)
    for part in range(n_parts):
        files.save_part(part, queries, np.arange(N_RANGES))
    ranges = files.ranges(rows_per_range=n_parts)
    start = time.process_time()
    files.save_first_ids([files.merge(index, codes=one) for index, one in enumerate(ranges)])
    for part in range(n_parts):
        files.query_ids_of_part(part)
    return (time.process_time() - start) / n_parts / len(ranges)


def _digest(path: Path) -> float:
    path.write_bytes(bytes(BYTES_DIGESTED))
    start = time.process_time()
    digest_file(path)
    return (time.process_time() - start) / BYTES_DIGESTED

"""Executors that run tasks in this process, in local worker processes, or on a Dask cluster.

This is the only module that imports dask.

Stages pass a module-level function and tasks that carry paths and small values, never tables or matrices. Results come
back in the order of the tasks, so a stage's output does not depend on which process did the work. Data travels in
files: a task or result of more than ``MAX_BYTES`` is refused. A task may run twice if its worker is lost, so it writes
whole files under temporary names.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from ssmi.pipeline.contract.arguments import check_executor_arguments
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError
from ssmi.pipeline.contract.extras import needs
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.local_workers import TASKS_IN_FLIGHT_PER_WORKER, WorkerPool, worker_pool

Task = TypeVar("Task")
Result = TypeVar("Result")
MAX_BYTES = 1 << 16
"""Most bytes of a pickled task or result, all of which cost the scheduler and the driver memory and time."""
WORKER_POLL_SECONDS = 1.0
"""How often the driver looks for new workers while it waits for a result."""
SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[Task, Result]):
    """A function and the tasks to call it with.

    Attributes:
        function: Module-level function, which another process can import by name.
        tasks: The argument of each call.
        sizes: Number of progress units of each task.
        label: Name of the work in progress reports and errors.
        unit: Unit of progress.

    """

    function: Callable[[Task], Result]
    tasks: Sequence[Task]
    sizes: Sequence[int]
    label: str
    unit: str


class Executor(Protocol):
    """Runs a function over tasks."""

    is_local: bool
    """Whether all tasks run on this machine and can use its folders."""

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """Call the function with every task.

        Args:
            work: The function and its tasks.
            reporter: Receives progress.

        Yields:
            The results, in the order of the tasks.

        Raises:
            SsmiError: A task failed (the message names it), or a task or result is too large.
            MissingResourceError: The connection to the scheduler was lost.
        """
        ...


class Serial:
    """Executor that runs tasks in this process, one after the other."""

    is_local = True

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """See Executor."""
        with _progress(work, reporter) as advance:
            for index, (task, size) in enumerate(zip(work.tasks, work.sizes, strict=True)):
                with _naming_the_part(work, index):
                    _check_size("task", task)
                    result = _run(work.function, task)
                advance(size)
                yield result


class LocalProcesses:
    """Executor that runs tasks in worker processes on this machine."""

    is_local = True

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """See Executor."""
        for index, task in enumerate(work.tasks):
            with _naming_the_part(work, index):
                _check_size("task", task)
        with _progress(work, reporter) as advance:
            results = self._pool.map(partial(_run, work.function), work.tasks)
            for index, size in enumerate(work.sizes):
                with _naming_the_part(work, index):
                    result = next(results)
                advance(size)
                yield result


class Cluster:
    """Executor that runs tasks on the workers of a connected Dask client."""

    is_local = False

    def __init__(self, client: Any) -> None:
        self._client = client
        self._known_workers = 1
        self._next_look = 0.0

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """See Executor. A few tasks per worker are in flight; their number follows the number of workers."""
        numbered = enumerate(work.tasks)
        waiting: deque[Any] = deque()

        def fill_window() -> None:
            n_running = sum(not future.done() for future in waiting)
            window = TASKS_IN_FLIGHT_PER_WORKER * self._n_workers()
            for index, task in itertools.islice(numbered, max(0, window - n_running)):
                with _naming_the_part(work, index):
                    _check_size("task", task)
                # Not pure: a task writes files, so dask must not reuse an old result for an equal task.
                waiting.append(self._client.submit(_run, work.function, task, pure=False, retries=2))

        with _progress(work, reporter) as advance, self._while_connected(work.label):
            for index, size in enumerate(work.sizes):
                fill_window()
                while not self._finished(waiting[0]):
                    fill_window()  # for workers that have joined since
                with _naming_the_part(work, index):
                    result: Result = waiting.popleft().result()
                # Before the yield, so that workers stay busy while the caller uses the result.
                fill_window()
                advance(size)
                yield result

    def _n_workers(self) -> int:
        """Number of workers at the last look, at least 1; asking for every part would double the messages."""
        now = time.monotonic()
        if now >= self._next_look:
            # The number only, without the scheduler's details of each worker.
            self._known_workers = max(1, self._client.scheduler_info(n_workers=0)["n_workers"])
            self._next_look = now + WORKER_POLL_SECONDS
        return self._known_workers

    def _finished(self, future: Any) -> bool:
        """Wait for a task for up to ``WORKER_POLL_SECONDS``, and return whether it is finished."""
        from distributed import wait

        try:
            wait(future, timeout=WORKER_POLL_SECONDS)
        except TimeoutError:
            return False
        return True

    @contextlib.contextmanager
    def _while_connected(self, label: str) -> Iterator[None]:
        from distributed import CancelledError  # raised by futures whose scheduler is gone
        from distributed.comm.core import CommClosedError

        try:
            yield
        except (CancelledError, CommClosedError, ConnectionError) as error:
            raise MissingResourceError(
                f"{label}: the Dask scheduler went away",
                next_step="restart the scheduler and workers, then run the same command again; finished parts are kept",
            ) from error


_LOST = ("BrokenProcessPool", "KilledWorker")
"""Names of the errors raised when workers die; names, because dask may not be installed."""


def _progress(work: Work[Any, Any], reporter: Reporter) -> AbstractContextManager[Callable[[int], None]]:
    return reporter.task(work.label, total=sum(work.sizes), unit=work.unit)


@contextlib.contextmanager
def _naming_the_part(work: Work[Any, Any], index: int) -> Iterator[None]:
    """Name the part in unexpected errors, in size errors and in errors of workers that died."""
    part = f"{work.label}: part {index + 1} of {len(work.tasks)}{_file_of(work.tasks[index])}"
    try:
        yield
    # These already name their file, or the device that is full.
    except (SsmiError, OSError):
        raise
    except _TooLargeError as error:
        raise SsmiError(f"{part}: {error}", next_step="report a bug: large data must be passed in files") from error
    except Exception as error:
        if type(error).__name__ in _LOST:
            raise SsmiError(
                f"{part}: the workers that ran it died one after the other, likely out of memory",
                next_step="use fewer --workers or a smaller prepare.sentences_per_part",
            ) from error
        if type(error).__module__.partition(".")[0] in ("distributed", "asyncio", "concurrent"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise SsmiError(f"{part}: {text}", next_step="run again with --debug and report what it shows") from error


def _file_of(task: object) -> str:
    """The first part file that a task names, as in `` (train/part-00003.parquet)``; empty if there is none."""
    values = [getattr(task, one.name) for one in fields(task)] if is_dataclass(task) else [task]
    paths = (value for value in values if isinstance(value, Path) and value.name.startswith("part-"))
    return next((f" ({path.parent.name}/{path.name})" for path in paths), "")


class _TooLargeError(Exception):
    """A task or result is larger than ``MAX_BYTES``."""


def _check_size(what: str, value: object) -> None:
    if (size := len(pickle.dumps(value))) > MAX_BYTES:
        raise _TooLargeError(f"a {what} of {size:,} bytes exceeds the limit of {MAX_BYTES:,} bytes")


def _run(function: Callable[[Task], Result], task: Task) -> Result:
    result = run_single_threaded(function, task)
    _check_size("result", result)
    return result


def run_single_threaded(function: Callable[[Task], Result], task: Task) -> Result:
    """Run a task with one BLAS thread.

    Float sums are then the same in every process, and workers do not compete for cores.
    """
    with threadpool_limits(limits=1):
        return function(task)


@contextlib.contextmanager
def open_executor(*, workers: int = 0, scheduler: str | None = None) -> Iterator[Executor]:
    """Open an executor, and close it when the block ends.

    Args:
        workers: Number of local worker processes; 0 runs everything in this process.
        scheduler: Address of a Dask scheduler (``tcp://host:port``) to use instead.

    Yields:
        The executor.

    Raises:
        MissingResourceError: The scheduler does not answer or has no worker.
        ParameterError: Both workers and a scheduler are given, or the scheduler is not an address.
    """
    check_executor_arguments(workers=workers, scheduler=scheduler)
    if scheduler is None and workers <= 0:
        yield Serial()
        return
    if scheduler is None:
        with worker_pool(workers) as pool:
            yield LocalProcesses(pool)
        return
    with needs("cluster", f"scheduler {scheduler}"):
        from distributed import Client

    # Failures that matter are raised as one-line errors; the rest is tracebacks of connections.
    for library in ("distributed", "distributed.client", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(Client(scheduler, timeout=SECONDS_TO_CONNECT))
        except (OSError, ValueError) as error:
            raise MissingResourceError(
                f"no Dask scheduler answers at {scheduler} ({type(error).__name__})",
                next_step="start one with `dask scheduler`, or use --workers N",
            ) from error
        try:
            client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError as error:
            raise MissingResourceError(
                f"the Dask scheduler at {scheduler} has no worker",
                next_step="start some with `dask worker ADDRESS`, or use --workers N",
            ) from error
        yield Cluster(client)

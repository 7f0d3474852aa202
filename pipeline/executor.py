"""Where work runs: in this process, in local worker processes, or on a Dask cluster. The only importer of dask.

Stages hand over a module-level function and tasks that carry paths and small values, never tables or matrices, and get
results in the tasks' order, so what they write does not depend on which process did the work. A task may run twice (a
lost worker); it therefore writes whole files under temporary names.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError
from ssmi.pipeline.contract.extras import needs
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.local_workers import TASKS_IN_FLIGHT_PER_WORKER, WorkerPool, worker_pool

Task = TypeVar("Task")
Result = TypeVar("Result")
SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 60


class Executor(Protocol):
    """Runs a function over tasks."""

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        sizes: Sequence[int],
        label: str,
        unit: str,
        reporter: Reporter,
    ) -> Iterator[Result]:
        """Yield results in the order of ``tasks``; ``sizes`` says how many units of progress each task is."""
        ...


class Serial:
    """In this process, one task after the other."""

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        sizes: Sequence[int],
        label: str,
        unit: str,
        reporter: Reporter,
    ) -> Iterator[Result]:
        """See Executor."""
        with reporter.task(label, total=sum(sizes), unit=unit) as advance:
            for task, size in zip(tasks, sizes, strict=True):
                result = run_single_threaded(function, task)
                advance(size)
                yield result


class LocalProcesses:
    """On worker processes of this machine."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        sizes: Sequence[int],
        label: str,
        unit: str,
        reporter: Reporter,
    ) -> Iterator[Result]:
        """See Executor."""
        with reporter.task(label, total=sum(sizes), unit=unit) as advance:
            results = self._pool.map(partial(run_single_threaded, function), tasks)
            for index, size in enumerate(sizes):
                try:
                    result = next(results)
                except BrokenProcessPool as error:
                    raise _workers_died(label, index) from error
                advance(size)
                yield result


class Cluster:
    """On the workers of a connected Dask client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        sizes: Sequence[int],
        label: str,
        unit: str,
        reporter: Reporter,
    ) -> Iterator[Result]:
        """See Executor. Only a few tasks a worker are in flight, so results never pile up."""
        from distributed import KilledWorker

        remaining = iter(tasks)
        in_flight: deque[Any] = deque()

        def submit(n: int) -> None:
            for task in itertools.islice(remaining, n):
                # Not pure: a task writes files, so dask must not answer an equal one with an old result.
                in_flight.append(self._client.submit(run_single_threaded, function, task, pure=False, retries=2))

        with reporter.task(label, total=sum(sizes), unit=unit) as advance:
            submit(TASKS_IN_FLIGHT_PER_WORKER * max(1, len(self._client.scheduler_info()["workers"])))
            for index, size in enumerate(sizes):
                try:
                    result: Result = in_flight.popleft().result()
                except KilledWorker as error:
                    raise _workers_died(label, index) from error
                # Before the result is handed out: workers go on while the caller uses it.
                submit(1)
                advance(size)
                yield result


def run_single_threaded(function: Callable[[Task], Result], task: Task) -> Result:
    """One BLAS thread a task: sums of floats then come out the same in every process, and workers do not fight."""
    with threadpool_limits(limits=1):
        return function(task)


def _workers_died(label: str, part: int) -> SsmiError:
    return SsmiError(
        f"{label}: the workers that ran part {part} died one after the other, likely out of memory",
        next_step="use fewer --workers or a smaller prepare.sentences_per_part",
    )


@contextlib.contextmanager
def open_executor(*, workers: int = 0, scheduler: str | None = None) -> Iterator[Executor]:
    """Open what runs the tasks, and close it when the block ends.

    Args:
        workers: Local worker processes; 0 runs everything in this process.
        scheduler: The address of a Dask scheduler (``tcp://host:port``) to use instead.

    Yields:
        The executor.

    Raises:
        MissingResourceError: The scheduler does not answer or has no worker.
    """
    if scheduler is None and workers <= 0:
        yield Serial()
        return
    if scheduler is None:
        with worker_pool(workers) as pool:
            yield LocalProcesses(pool)
        return
    with needs("cluster", f"--scheduler {scheduler}"):
        from distributed import Client

    logging.getLogger("distributed").setLevel(logging.ERROR)
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

"""Where work runs: in this process, in local worker processes, or on a Dask cluster. The only importer of dask.

Stages hand over a module-level function and tasks that carry paths and small values, never tables or matrices, and get
results in the tasks' order, so what they write does not depend on which process did the work. A task may run twice (a
lost worker); it therefore writes whole files under temporary names.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError
from ssmi.pipeline.contract.extras import needs
from ssmi.pipeline.contract.progress import Reporter

Task = TypeVar("Task")
Result = TypeVar("Result")
TASKS_IN_FLIGHT_PER_WORKER = 4
"""A worker then always has its next task, and few results wait in memory for an earlier one."""
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
                    raise SsmiError(
                        f"{label}: the workers that ran part {index} died one after the other, likely out of memory",
                        next_step="use fewer --workers or a smaller prepare.sentences_per_part",
                    ) from error
                # Before the result is handed out: workers go on while the caller uses it.
                submit(1)
                advance(size)
                yield result


def run_single_threaded(function: Callable[[Task], Result], task: Task) -> Result:
    """One BLAS thread a task: sums of floats then come out the same in every process, and workers do not fight."""
    with threadpool_limits(limits=1):
        return function(task)


def dask_setup(_: object) -> None:
    """Dask calls this in each local worker (``preload``): Ctrl-C reaches every process, but only the main one acts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start workers deaf to Ctrl-C from their first moment, before ``dask_setup`` can say so."""
    # Python lets only the main thread set signal handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _local_cluster(workers: int) -> Any:
    from distributed import LocalCluster

    with _without_interrupts():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",  # any free port: builds may run side by side
            memory_limit=0,  # dask counts memory-mapped vectors as used, and would stop workers that use little
            preload=[__name__],  # runs dask_setup in each worker
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
    with needs("cluster", f"--scheduler {scheduler}" if scheduler else f"--workers {workers}"):
        from distributed import Client

    logging.getLogger("distributed").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        target: Any = stack.enter_context(_local_cluster(workers)) if scheduler is None else scheduler
        try:
            client = stack.enter_context(Client(target, timeout=SECONDS_TO_CONNECT))
        except (OSError, ValueError) as error:
            raise MissingResourceError(
                f"no Dask scheduler answers at {scheduler} ({type(error).__name__})",
                next_step="start one with `dask scheduler`, or use --workers N",
            ) from error
        try:
            client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError as error:
            raise MissingResourceError(
                f"the Dask scheduler at {scheduler or 'this machine'} has no worker",
                next_step="start some with `dask worker ADDRESS`, or use --workers N",
            ) from error
        yield Cluster(client)

"""Worker processes on this machine that talk to their parent through private pipes, without a port.

A pool opens nothing that other processes could connect to, on purpose: a listening socket, even on loopback, would let
any user of the machine send it work.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_IN_FLIGHT_PER_WORKER = 4
"""Enough that a worker always has its next task, and few enough that few results wait in memory for an earlier one."""
MAX_DEATHS = 3
"""How often workers may die while the pool waits for one task."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerPool:
    """A pool of processes that start when there is work. Lost processes are replaced and their tasks run again."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._others = set(multiprocessing.active_children())
        self._pool = self._made()

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield results in the order of ``tasks``, with few tasks per worker in flight so that results never pile up.

        Args:
            function: A picklable function; it may be called twice for a task whose worker died.
            tasks: Picklable values.

        Raises:
            BrokenProcessPool: Workers died more than ``MAX_DEATHS`` times while the pool waited for one result.
        """
        remaining = iter(tasks)
        in_flight: deque[tuple[Task, Future[Result]]] = deque()

        def submit(n: int) -> None:
            in_flight.extend((task, self._submit(function, task)) for task in itertools.islice(remaining, n))

        submit(TASKS_IN_FLIGHT_PER_WORKER * self._n_workers)
        n_deaths = 0
        while in_flight:
            try:
                result = in_flight[0][1].result()
            except BrokenProcessPool:
                n_deaths += 1
                if n_deaths > MAX_DEATHS:
                    raise
                self._replace_lost(function, in_flight)
                continue
            n_deaths = 0
            in_flight.popleft()
            # Before the yield, so that workers stay busy while the caller uses the result.
            submit(1)
            yield result

    def close(self, *, at_once: bool) -> None:
        """End the workers: after their running tasks or, if ``at_once``, immediately."""
        if at_once:
            for process in self._processes():
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _made(self) -> ProcessPoolExecutor:
        # Spawned, not forked: this process has threads, and a fork would copy their locks in any state.
        context = multiprocessing.get_context("spawn")
        _start_tracker()  # otherwise the pool's first semaphore starts it, with warnings
        return ProcessPoolExecutor(self._n_workers, mp_context=context, initializer=_prepare_worker)

    def _submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Submit a task. If the pool is already broken, return a failed future, as for the pool's earlier tasks."""
        try:
            with _interrupts_blocked():
                return self._pool.submit(function, task)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed

    def _replace_lost(self, function: Callable[[Task], Result], in_flight: deque[tuple[Task, Future[Result]]]) -> None:
        """Start a new pool, since a pool that lost a worker ends them all, and resubmit the tasks without a result."""
        self._pool.shutdown(wait=True)
        self._pool = self._made()
        for place, (task, future) in enumerate(in_flight):
            if isinstance(future.exception(), BrokenProcessPool):
                in_flight[place] = (task, self._submit(function, task))

    def _processes(self) -> list[BaseProcess]:
        return [process for process in multiprocessing.active_children() if process not in self._others]


@contextmanager
def worker_pool(n_workers: int) -> Iterator[WorkerPool]:
    """Open a pool for the length of a block; its workers are terminated if the block fails or is interrupted."""
    pool = WorkerPool(n_workers)
    failed = True
    try:
        yield pool
        failed = False
    finally:
        pool.close(at_once=failed)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep processes that start in the block from receiving Ctrl-C, which only the main process acts on.

    The signal is blocked, not ignored, so that an interrupt during the block is not lost but delivered after it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Started first, because starting the tracker unblocks the signal in this process.
    _start_tracker()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_tracker() -> None:
    """Start the process that removes the semaphores of a killed parent, and silence its warning about them."""
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ["PYTHONWARNINGS"] = f"{before},{quiet}" if before else quiet
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _prepare_worker() -> None:
    """Initialize a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _THREADS:  # for libraries that tasks import: workers must not compete for cores
        os.environ[name] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent is killed; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

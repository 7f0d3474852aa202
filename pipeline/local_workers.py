"""Worker processes of this machine, without a port: they and their parent talk through pipes that nobody else can open.

Everything that a pool of processes may open to others is left out on purpose: a listening socket, even on loopback,
lets any user of the machine send it work.
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
"""A worker then always has its next task, and few results wait in memory for an earlier one."""
MOST_DEATHS = 3
"""How often workers may die while one task is waited for."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerPool:
    """Processes that are started when there is work for them. Lost ones are replaced, and their tasks done again."""

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers
        self._others = set(multiprocessing.active_children())
        self._pool = self._made()

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield results in the order of ``tasks``; a few tasks a worker are in flight, so results never pile up.

        Args:
            function: A picklable one; it may be called twice for a task whose worker died.
            tasks: Picklable values.

        Raises:
            BrokenProcessPool: Workers died more than ``MOST_DEATHS`` times while one result was waited for.
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
                if n_deaths > MOST_DEATHS:
                    raise
                self._replace_lost(function, in_flight)
                continue
            n_deaths = 0
            in_flight.popleft()
            # Before the result is handed out: workers go on while the caller uses it.
            submit(1)
            yield result

    def close(self, *, at_once: bool) -> None:
        """End the workers: when they have nothing to do, or ``at_once``, whatever they do."""
        if at_once:
            for process in self._processes():
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _made(self) -> ProcessPoolExecutor:
        # Spawned, not forked: this process has threads, whose locks a fork would copy as they are.
        context = multiprocessing.get_context("spawn")
        _start_tracker()  # else the pool's first semaphore does
        return ProcessPoolExecutor(self._n_workers, mp_context=context, initializer=_prepare_worker)

    def _submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Hand over a task; a pool that is broken by then fails it like those that it had."""
        try:
            with _deaf_children():
                return self._pool.submit(function, task)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed

    def _replace_lost(self, function: Callable[[Task], Result], in_flight: deque[tuple[Task, Future[Result]]]) -> None:
        """A pool that lost a worker ends them all: start another, and do again what has no result."""
        self._pool.shutdown(wait=True)
        self._pool = self._made()
        for place, (task, future) in enumerate(in_flight):
            if isinstance(future.exception(), BrokenProcessPool):
                in_flight[place] = (task, self._submit(function, task))

    def _processes(self) -> list[BaseProcess]:
        return [process for process in multiprocessing.active_children() if process not in self._others]


@contextmanager
def worker_pool(n_workers: int) -> Iterator[WorkerPool]:
    """Workers for the length of a block; they are ended at once when it fails or is interrupted."""
    pool = WorkerPool(n_workers)
    failed = True
    try:
        yield pool
        failed = False
    finally:
        pool.close(at_once=failed)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started in the block never hear Ctrl-C, which reaches them all: the main one acts on it.

    Blocked and not ignored: an interrupt that comes in the block is not lost, but comes after it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Started first, because it unblocks the signal here whenever it starts.
    _start_tracker()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_tracker() -> None:
    """Start the process that removes the semaphores of a parent that was killed, without a warning that it did."""
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
    """What each worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _THREADS:  # for the libraries that a task imports: workers must not fight for cores
        os.environ[name] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker with a parent that was killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

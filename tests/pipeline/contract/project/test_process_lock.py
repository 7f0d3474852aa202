"""One thread at a time, also across a fork; nothing is left locked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ssmi.pipeline.contract.project.process_lock import process_lock

REPOSITORY = Path(__file__).parents[4]
SECONDS = 60


def _is_free_for_another_thread() -> bool:
    """Whether another thread can take the lock now."""

    def attempt() -> bool:
        lock = process_lock()
        taken = bool(lock.acquire(blocking=False))  # type: ignore[attr-defined]
        if taken:
            lock.release()  # type: ignore[attr-defined]
        return taken

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(attempt).result(SECONDS)


def test_the_lock_is_reentrant_and_released_on_errors() -> None:
    with process_lock():
        with process_lock():
            assert not _is_free_for_another_thread()
        assert not _is_free_for_another_thread()
        with pytest.raises(ZeroDivisionError), process_lock():
            _ = 1 / 0
        assert not _is_free_for_another_thread(), "an error releases the inner lock only"
    assert _is_free_for_another_thread()
    with pytest.raises(ZeroDivisionError), process_lock():
        _ = 1 / 0
    assert _is_free_for_another_thread()


def test_increments_under_the_lock_are_never_lost() -> None:
    """Without the lock, nearly every increment by another thread would be lost."""
    total = 0
    n_threads, n_rounds = 8, 200
    barrier = threading.Barrier(n_threads)

    def add() -> None:
        nonlocal total
        barrier.wait(SECONDS)
        for _ in range(n_rounds):
            with process_lock():
                before = total
                time.sleep(0)  # yields to the other threads
                total = before + 1

    with ThreadPoolExecutor(n_threads) as pool:
        for future in [pool.submit(add) for _ in range(n_threads)]:
            future.result(SECONDS)
    assert total == n_threads * n_rounds


FORKING = """
import os, threading, time
from ssmi.pipeline.contract.project.process_lock import process_lock

halves, begun = [], threading.Event()

def work():
    with process_lock():
        halves.append("first")
        begun.set()
        time.sleep(0.3)
        halves.append("second")

worker = threading.Thread(target=work)
worker.start()
begun.wait()
child = os.fork()
if not child:
    taken = []
    def attempt():
        with process_lock():
            taken.append(True)
    other = threading.Thread(target=attempt, daemon=True)
    other.start()
    other.join(20)
    os._exit(0 if halves == ["first", "second"] and taken else 3)
worker.join()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
with process_lock():
    child = os.fork()
    if not child:
        os._exit(0 if process_lock().acquire(blocking=False) else 3)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
other = threading.Thread(target=lambda: print("parent", process_lock().acquire(timeout=20)))
other.start()
other.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_waits_for_the_lock_and_leaves_it_free_in_both_processes() -> None:
    """The child starts with complete results and a free lock, also if it is forked while the lock is held."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (result.returncode, result.stdout) == (0, "0\n0\nparent True\n"), result.stderr

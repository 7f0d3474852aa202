"""One thread at a time, also over a fork; nothing is left locked."""

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

REPOSITORY = Path(__file__).parents[3]
SECONDS = 60


def _can_be_taken_elsewhere() -> bool:
    """Whether another thread could take a turn now."""

    def attempt() -> bool:
        lock = process_lock()
        taken = bool(lock.acquire(blocking=False))  # type: ignore[attr-defined]
        if taken:
            lock.release()  # type: ignore[attr-defined]
        return taken

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(attempt).result(SECONDS)


def test_a_turn_ends_however_the_block_ends_and_only_with_the_outermost_one() -> None:
    with process_lock():
        with process_lock():
            assert not _can_be_taken_elsewhere()
        assert not _can_be_taken_elsewhere()
        with pytest.raises(ZeroDivisionError), process_lock():
            _ = 1 / 0
        assert not _can_be_taken_elsewhere(), "an error inside ends its own hold, not the one around it"
    assert _can_be_taken_elsewhere()
    with pytest.raises(ZeroDivisionError), process_lock():
        _ = 1 / 0
    assert _can_be_taken_elsewhere()


def test_what_is_read_and_written_in_turns_is_never_torn() -> None:
    """Read, give way, write: without turns nearly every addition of another thread would be lost."""
    total = 0
    n_threads, n_rounds = 8, 200
    together = threading.Barrier(n_threads)

    def add() -> None:
        nonlocal total
        together.wait(SECONDS)
        for _ in range(n_rounds):
            with process_lock():
                before = total
                time.sleep(0)  # gives way to the others
                total = before + 1

    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(add) for _ in range(n_threads)]:
            done.result(SECONDS)
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
def test_a_fork_waits_for_the_turn_and_leaves_both_processes_free_to_take_one() -> None:
    """The child starts with whole results and a free lock; so does a child that is forked within a turn."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stdout) == (0, "0\n0\nparent True\n"), done.stderr

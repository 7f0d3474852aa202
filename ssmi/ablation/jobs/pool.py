"""Several runs at once, each in a process of its own with its share of the machine, and its log beside the run folder.

A process that ends badly loses no other. Ctrl-C, SIGTERM and SIGHUP stop all of them, with their state saved; if this
process is killed, they notice that its end of their pipe is closed, and do the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import torch

from ssmi.ablation.jobs.job import Job
from ssmi.model import hardware
from ssmi.model.training.interrupts import Interrupted, Interrupts
from ssmi.pipeline.contract.text.wording import counted

_POLL_SECONDS = 0.1
_LAST_WORDS = 400
"""Characters of a log that a message quotes."""
Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Slots:
    """How many processes run at once, and what each may use.

    Attributes:
        devices: The value of ``train.device`` of each process that runs at the same time.
        threads: CPU threads of each.

    """

    devices: tuple[str, ...]
    threads: int

    @classmethod
    def of(cls, device: torch.device, *, n_jobs: int, threads: int) -> Slots:
        """The shares of this machine.

        Args:
            device: What ``train.device`` comes to; of several GPUs each process gets one where none is named.
            n_jobs: How many run at once; 0 for one a GPU, or a physical core where there is none.
            threads: ``train.threads``: of a single process, 0 for all cores; several have one each on a CPU.

        """
        gpus = [str(device)] if device.type == "cpu" or device.index is not None else _gpus()
        n = n_jobs or (len(gpus) if device.type == "cuda" else hardware.physical_cores())
        if n > 1:
            threads = 1 if device.type == "cpu" else max(1, hardware.physical_cores() // n)
        return cls(tuple(gpus[slot % len(gpus)] for slot in range(n)), threads)

    @property
    def n(self) -> int:
        """How many processes run at once."""
        return len(self.devices)


def _gpus() -> list[str]:
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        state: ``done``, ``diverged`` (the loss is no number any more) or ``failed``.
        message: What went wrong; empty for done.
        seconds: From its start to its end.
        answer: What it said, for done.

    """

    state: Literal["done", "diverged", "failed"]
    message: str
    seconds: float
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Process:
    popen: subprocess.Popen[str]
    slot: int
    log: Path
    started: float


def run_all(
    tasks: Sequence[Task],
    *,
    kind: Literal["train", "measure"],
    job_of: Callable[[Task], Job],
    slots: Slots,
    on_end: Callable[[Task, Ended], None],
) -> None:
    """Do all tasks, as many at once as there are slots, in their order.

    Args:
        tasks: What is to be done.
        kind: Whether to train, or to measure the speed of training.
        job_of: Makes the job of a task when its turn comes.
        slots: What the processes may use.
        on_end: Told how each ended, in this process, one at a time.

    Raises:
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, when all processes have ended.

    """
    waiting, running = deque(tasks), list[tuple[Task, _Process]]()
    # Taken from its end, so that the first device comes first.
    free = list(range(len(slots.devices)))[::-1]
    # `running` is changed in place: whatever it holds when the block is left has to be stopped.
    with Interrupts() as interrupts, _stopped_at_the_end(running):
        while waiting or running:
            while waiting and free:
                task = waiting.popleft()
                running.append((task, _start(kind, job_of(task), slots, slot=free.pop())))
            time.sleep(_POLL_SECONDS)
            if interrupts.seen:
                raise Interrupted(f"stopped with {counted(len(running), 'run')} unfinished; the same command continues")
            for one in [one for one in running if one[1].popen.poll() is not None]:
                running.remove(one)
                free.append(one[1].slot)
                on_end(one[0], _ended(one[1]))


@contextmanager
def _stopped_at_the_end(running: list[tuple[Task, _Process]]) -> Iterator[None]:
    """However it ends, no process is left: each saves its state first, unless this process is interrupted once more."""
    try:
        yield
    finally:
        # All are told before one is waited for, so that they save their states at the same time.
        for _, process in running:
            _close(process)
        try:
            for _, process in running:
                process.popen.wait()
        finally:
            for _, process in running:
                process.popen.kill()  # nothing to do for one that has ended
                process.popen.wait()
                _pipe(process.popen.stdout).close()


def _start(kind: str, job: Job, slots: Slots, *, slot: int) -> _Process:
    train = job.params.train.model_copy(update={"device": slots.devices[slot], "threads": slots.threads})
    job = replace(job, params=job.params.model_copy(update={"train": train}))
    log = log_of(job.run)
    log.parent.mkdir(parents=True, exist_ok=True)
    # Appended to: a run that is gone on with keeps the log of its beginning.
    with log.open("ab") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "ssmi.ablation.jobs.worker", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            encoding="utf-8",
            # Libraries read the threads when they are loaded, before the worker has its job; UTF-8 as at this end.
            env={**os.environ, "OMP_NUM_THREADS": str(slots.threads), "PYTHONUTF8": "1"},
            start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, which tells them
        )
    with suppress(OSError):  # it may have ended already; its exit code will say so
        stdin = _pipe(popen.stdin)
        stdin.write(job.to_json() + "\n")
        stdin.flush()
    return _Process(popen, slot, log, time.monotonic())


def log_of(run: Path) -> Path:
    """The log of a run that had a process of its own, beside the run folder."""
    return run.with_name(f"{run.name}.log")


def _ended(process: _Process) -> Ended:
    seconds = time.monotonic() - process.started
    with _pipe(process.popen.stdout) as stdout:
        # Only now: the answer is one short line, which waits in the pipe.
        lines = stdout.read().splitlines()
    _close(process)
    # Without an answer it did not get to its end, killed for example: its exit code and its log say more.
    with suppress(ValueError, IndexError, KeyError):
        answer = json.loads(lines[-1])
        if answer["state"] == "done":  # all is written, however the process came to its end afterwards
            return Ended("done", "", seconds, answer)
        state: Literal["diverged", "failed"] = "diverged" if answer["state"] == "diverged" else "failed"
        return Ended(state, str(answer.get("message") or answer["state"]), seconds)
    return Ended("failed", f"its process ended with {process.popen.returncode}: {_last_words(process.log)}", seconds)


def _last_words(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    return " ".join(text[-_LAST_WORDS:].split()) or f"{log.name} is empty"


def _close(process: _Process) -> None:
    """Close the pipe that the process takes for a sign of life."""
    with suppress(OSError):
        _pipe(process.popen.stdin).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # all three were asked for
    return stream

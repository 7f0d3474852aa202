"""Several runs at once, each in its own process with a share of the machine and a log beside the run folder.

A process that fails does not affect the others. Ctrl-C, SIGTERM and SIGHUP stop all processes after they saved their
state. If this process is killed, the others notice that its end of their pipe is closed, and stop in the same way.
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
_QUOTED_CHARACTERS = 400
"""Number of characters at the end of a log that a message quotes."""
Task = TypeVar("Task")


@dataclass(frozen=True, slots=True)
class Slots:
    """Number of processes at once, and the resources of each.

    Attributes:
        devices: The value of ``train.device`` for each of the processes that run at the same time.
        threads: Number of CPU threads per process.

    """

    devices: tuple[str, ...]
    threads: int

    @classmethod
    def of(cls, device: torch.device, *, n_jobs: int, threads: int) -> Slots:
        """Divide this machine among processes.

        Args:
            device: The device that ``train.device`` selects. If it is ``cuda`` without an index, processes are
                distributed over all GPUs.
            n_jobs: Number of processes at once; 0 for one per GPU, or one per physical core without a GPU.
            threads: ``train.threads`` of a single process, 0 for all cores. Several processes get one thread each on
                a CPU, and an equal share of the physical cores on GPUs.

        """
        gpus = [str(device)] if device.type == "cpu" or device.index is not None else _gpus()
        n = n_jobs or (len(gpus) if device.type == "cuda" else hardware.physical_cores())
        if n > 1:
            threads = 1 if device.type == "cpu" else max(1, hardware.physical_cores() // n)
        return cls(tuple(gpus[slot % len(gpus)] for slot in range(n)), threads)

    @property
    def n(self) -> int:
        """Number of processes at once."""
        return len(self.devices)


def _gpus() -> list[str]:
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended.

    Attributes:
        state: ``done``, ``diverged`` (the loss is not finite) or ``failed``.
        message: The error message; empty for ``done``.
        seconds: Seconds from start to end.
        result: The result that the process printed, for ``done``.

    """

    state: Literal["done", "diverged", "failed"]
    message: str
    seconds: float
    result: dict[str, Any] = field(default_factory=dict)


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
    on_end: Callable[[Task, JobOutcome], None],
) -> None:
    """Run all tasks in their order, as many at once as there are slots.

    Args:
        tasks: The tasks to run.
        kind: Whether to train, or to measure the speed of training.
        job_of: Called with each task when its turn comes; returns its job.
        slots: Number of processes at once, and the resources of each.
        on_end: Called in this process with each task and how its process ended, one at a time.

    Raises:
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, when all processes have ended.

    """
    waiting, running = deque(tasks), list[tuple[Task, _Process]]()
    # Slots are taken from the end of the list, so that the first device is used first.
    free = list(range(len(slots.devices)))[::-1]
    # `running` is changed in place: the processes it holds when the block is left must be stopped.
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
                on_end(one[0], _outcome_of(one[1]))


@contextmanager
def _stopped_at_the_end(running: list[tuple[Task, _Process]]) -> Iterator[None]:
    """Stop all processes when the block ends; each saves its state first, unless this process is interrupted again."""
    try:
        yield
    finally:
        # Signal all processes before waiting for any, so that they save their states at the same time.
        for _, process in running:
            _close(process)
        try:
            for _, process in running:
                process.popen.wait()
        finally:
            for _, process in running:
                process.popen.kill()  # no effect on a process that has ended
                process.popen.wait()
                _pipe(process.popen.stdout).close()


def _start(kind: str, job: Job, slots: Slots, *, slot: int) -> _Process:
    train = job.params.train.model_copy(update={"device": slots.devices[slot], "threads": slots.threads})
    job = replace(job, params=job.params.model_copy(update={"train": train}))
    log = log_of(job.run)
    log.parent.mkdir(parents=True, exist_ok=True)
    # Append, so that a resumed run keeps the log of its beginning.
    with log.open("ab") as stream:
        popen = subprocess.Popen(
            [sys.executable, "-m", "ssmi.ablation.jobs.worker", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            encoding="utf-8",
            # Libraries read the number of threads on import, before the worker has its job; UTF-8 as at this end.
            env={**os.environ, "OMP_NUM_THREADS": str(slots.threads), "PYTHONUTF8": "1"},
            start_new_session=True,  # a terminal's Ctrl-C reaches this process only, which stops the others
        )
    with suppress(OSError):  # the process may have ended already, which its exit code shows later
        stdin = _pipe(popen.stdin)
        stdin.write(job.to_json() + "\n")
        stdin.flush()
    return _Process(popen, slot, log, time.monotonic())


def log_of(run: Path) -> Path:
    """Return the log file of a run with a process of its own; it is beside the run folder."""
    return run.with_name(f"{run.name}.log")


def _outcome_of(process: _Process) -> JobOutcome:
    seconds = time.monotonic() - process.started
    with _pipe(process.popen.stdout) as stdout:
        # Reading at the end suffices: the answer is one short line, which fits into the pipe's buffer.
        lines = stdout.read().splitlines()
    _close(process)
    # Without an answer the process did not reach its end (it was killed, for example): report exit code and log.
    with suppress(ValueError, IndexError, KeyError):
        answer = json.loads(lines[-1])
        if answer["state"] == "done":  # everything is written, whatever the exit code
            return JobOutcome("done", "", seconds, answer)
        state: Literal["diverged", "failed"] = "diverged" if answer["state"] == "diverged" else "failed"
        return JobOutcome(state, str(answer.get("message") or answer["state"]), seconds)
    return JobOutcome(
        "failed", f"its process ended with {process.popen.returncode}: {_end_of_log(process.log)}", seconds
    )


def _end_of_log(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    return " ".join(text[-_QUOTED_CHARACTERS:].split()) or f"{log.name} is empty"


def _close(process: _Process) -> None:
    """Close the pipe that shows the process that its parent is alive."""
    with suppress(OSError):
        _pipe(process.popen.stdin).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # stdin and stdout are pipes
    return stream

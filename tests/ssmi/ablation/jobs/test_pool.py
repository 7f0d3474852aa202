"""The process pool: answers, failures that lose nothing, signals, and the death of the parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from ssmi.ablation.jobs.job import Job
from ssmi.ablation.jobs.pool import JobOutcome, Slots, log_of, run_all
from ssmi.model import hardware
from ssmi.model.runs import state as states
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.training import Interrupted

TWO = Slots(("cpu", "cpu"), threads=1)
ENDLESS = 100_000


@pytest.fixture
def make_job(project: Any) -> Callable[..., Job]:
    """Create a job that trains the tiny project without an encoder, the fastest run."""

    def make(name: str, **train: Any) -> Job:
        changes = {"epochs": 1, "test": False, **train}
        tree = {
            "encoder": {"name": "encoder"},
            "model": {"encoder": "none"},
            "train": {"device": "cpu", "precision": "fp32", **changes},
        }
        shards = project.root / "artifacts" / "shards" / "tiny"
        run = project.root / "runs" / name
        return Job(project.root, shards, None, run, Params.model_validate(tree), keep_checkpoint=False)

    return make


def _run_all(jobs: list[Job], slots: Slots = TWO) -> dict[str, JobOutcome]:
    ended: dict[str, JobOutcome] = {}
    run_all(
        jobs,
        kind="train",
        job_of=lambda job: job,
        slots=slots,
        on_end=lambda job, how: ended.setdefault(job.run.name, how),
    )
    return ended


def test_a_run_that_fails_loses_no_other(make_job: Callable[..., Job]) -> None:
    missing = make_job("missing")
    jobs = [
        make_job("diverges", lr_new=1e30, lr_crf=1e30, clip=1e30, batch_size=2),
        replace(missing, shards=missing.root / "no-shards"),
        make_job("fine"),
    ]
    ended = _run_all(jobs)
    assert {name: one.state for name, one in ended.items()} == {
        "diverges": "diverged",
        "missing": "failed",
        "fine": "done",
    }, ended
    assert "loss" in ended["diverges"].message and "not built" in ended["missing"].message
    assert ended["fine"].message == "" and ended["fine"].seconds > 0
    fine = jobs[2].run
    assert (fine / "metrics.json").is_file() and not (fine / "checkpoint").exists()
    assert "epoch 1:" in log_of(fine).read_text(encoding="utf-8")
    assert log_of(fine) == fine.parent / "fine.log"


def test_a_process_that_is_killed_is_one_failed_run(make_job: Callable[..., Job]) -> None:
    job = make_job("killed", epochs=ENDLESS)

    def kill_once_it_trains() -> None:
        # From outside, as the system does when memory runs out.
        _wait(lambda: _has_trained(job))
        (worker,) = _workers_of([job])
        os.kill(worker, signal.SIGKILL)

    ended: list[JobOutcome] = []
    killer = Thread(target=kill_once_it_trains)
    killer.start()
    run_all([job], kind="train", job_of=lambda one: one, slots=TWO, on_end=lambda _, how: ended.append(how))
    killer.join()
    assert [one.state for one in ended] == ["failed"]
    assert "its process ended with -9: " in ended[0].message and "epoch" in ended[0].message


PROGRAM = """
import json, sys
from ssmi.ablation.jobs.job import Job
from ssmi.ablation.jobs.pool import Slots, run_all
from ssmi.training import Interrupted
jobs = [Job.from_json(line) for line in sys.stdin.read().splitlines()]
try:
    run_all(jobs, kind="train", job_of=lambda job: job, slots=Slots(("cpu", "cpu"), 1), on_end=print)
except Interrupted as interrupted:
    sys.exit(interrupted.message)
"""


def _start(jobs: list[Job]) -> subprocess.Popen[str]:
    """Start a process that runs the jobs; returns after each has finished an epoch."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(job.to_json() for job in jobs))
    process.stdin.close()
    process.stdin = None
    for job in jobs:
        _wait(partial(_has_trained, job))
    return process


def _has_trained(job: Job) -> bool:
    return log_of(job.run).is_file() and "epoch 1:" in log_of(job.run).read_text(encoding="utf-8")


def _wait(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not there():
        assert time.monotonic() < end, "waited for nothing"
        time.sleep(0.1)


def test_a_signal_stops_all_with_their_state_saved(make_job: Callable[..., Job]) -> None:
    jobs = [make_job(name, epochs=ENDLESS) for name in ("one", "two")]
    with _start(jobs) as process:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=300)
    assert (process.returncode, said.strip()) == (1, "stopped with 2 runs unfinished; the same command continues")
    assert all(states.find(job.run) is not None for job in jobs)


def test_runs_stop_when_their_parent_is_killed(make_job: Callable[..., Job]) -> None:
    jobs = [make_job(name, epochs=ENDLESS) for name in ("one", "two")]
    with _start(jobs) as process:
        process.kill()
        process.communicate(timeout=300)
    _wait(lambda: all((job.run / "state" / "state.json").is_file() for job in jobs))
    sizes = [log_of(job.run).stat().st_size for job in jobs]
    _wait(lambda: not _workers_of(jobs))
    # The saved states can be resumed.
    assert [states.find(job.run) is not None for job in jobs] == [True, True]
    assert [log_of(job.run).stat().st_size >= size for job, size in zip(jobs, sizes, strict=True)] == [True, True]


def _workers_of(jobs: list[Job]) -> list[int]:
    """Return the ids of processes that have one of the logs open."""
    logs = {str(log_of(job.run)) for job in jobs}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if {str(link.readlink()) for link in (process / "fd").iterdir()} & logs:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_interrupted_before_anything_is_done(make_job: Callable[..., Job]) -> None:
    def interrupt(job: Job) -> Job:
        os.kill(os.getpid(), signal.SIGTERM)
        return job

    with pytest.raises(Interrupted, match="stopped with 1 run unfinished"):
        run_all([make_job("one", epochs=ENDLESS)], kind="train", job_of=interrupt, slots=TWO, on_end=lambda *_: None)


def test_a_job_is_the_same_in_another_process(make_job: Callable[..., Job]) -> None:
    job = make_job("one", seed=7)
    for one in (job, replace(job, encoder=job.root / "encoder", resume=True, keep_checkpoint=True)):
        assert "\n" not in one.to_json() and Job.from_json(one.to_json()) == one
    assert json.loads(job.to_json())["encoder"] is None


@pytest.mark.parametrize(("n_jobs", "threads", "expected"), [(1, 0, 0), (1, 3, 3), (3, 0, 1), (2, 4, 1)])
def test_several_processes_have_a_thread_each(n_jobs: int, threads: int, expected: int) -> None:
    slots = Slots.of(torch.device("cpu"), n_jobs=n_jobs, threads=threads)
    assert slots == Slots(("cpu",) * n_jobs, expected) and slots.n == n_jobs


def test_as_many_as_there_are_cores() -> None:
    assert Slots.of(torch.device("cpu"), n_jobs=0, threads=0).n == hardware.physical_cores()
    # If a GPU is named, all jobs use it.
    assert Slots.of(torch.device("cuda:1"), n_jobs=3, threads=0).devices == ("cuda:1",) * 3

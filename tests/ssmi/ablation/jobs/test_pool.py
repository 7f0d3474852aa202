"""The process pool: outcomes, independent failures, signals, and the death of the parent."""

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

from ssmi import Interrupted
from ssmi.ablation.jobs.job import Job
from ssmi.ablation.jobs.pool import JobOutcome, Slots, log_of, run_all
from ssmi.model import hardware
from ssmi.model.runs import state as states
from ssmi.pipeline.contract.parameters.params import Params

TWO_SLOTS = Slots(("cpu", "cpu"), threads=1)
MANY_EPOCHS = 10_000


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


def _run_all(jobs: list[Job], slots: Slots = TWO_SLOTS) -> dict[str, JobOutcome]:
    outcomes: dict[str, JobOutcome] = {}
    run_all(
        jobs,
        kind="train",
        job_of=lambda job: job,
        slots=slots,
        on_end=lambda job, outcome: outcomes.setdefault(job.run.name, outcome),
    )
    return outcomes


def test_a_failed_run_does_not_affect_the_others(make_job: Callable[..., Job]) -> None:
    missing = make_job("missing")
    jobs = [
        make_job("diverges", lr_new=1e30, lr_crf=1e30, clip=1e30, batch_size=2),
        replace(missing, shards=missing.root / "no-shards"),
        make_job("fine"),
    ]
    outcomes = _run_all(jobs)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "diverges": "diverged",
        "missing": "failed",
        "fine": "done",
    }, outcomes
    assert "loss" in outcomes["diverges"].message and "not built" in outcomes["missing"].message
    assert outcomes["fine"].message == "" and outcomes["fine"].seconds > 0
    fine = jobs[2].run
    assert (fine / "metrics.json").is_file() and not (fine / "checkpoint").exists()
    assert "epoch 1:" in log_of(fine).read_text(encoding="utf-8")
    assert log_of(fine) == fine.parent / "fine.log"


def test_a_killed_process_is_one_failed_run(make_job: Callable[..., Job]) -> None:
    job = make_job("killed", epochs=MANY_EPOCHS)

    def kill_once_it_trains() -> None:
        # From outside, as the system does when memory runs out.
        _wait_until(lambda: _has_trained(job))
        (worker,) = _workers_of([job])
        os.kill(worker, signal.SIGKILL)

    outcomes: list[JobOutcome] = []
    killer = Thread(target=kill_once_it_trains)
    killer.start()
    run_all(
        [job], kind="train", job_of=lambda job: job, slots=TWO_SLOTS, on_end=lambda _, outcome: outcomes.append(outcome)
    )
    killer.join()
    assert [outcome.state for outcome in outcomes] == ["failed"]
    assert "its process ended with -9: " in outcomes[0].message and "epoch" in outcomes[0].message


PROGRAM = """
import json, sys
from ssmi.ablation.jobs.job import Job
from ssmi.ablation.jobs.pool import Slots, run_all
from ssmi import Interrupted
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
        _wait_until(partial(_has_trained, job))
    return process


def _has_trained(job: Job) -> bool:
    return log_of(job.run).is_file() and "epoch 1:" in log_of(job.run).read_text(encoding="utf-8")


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.1)


def test_a_signal_stops_all_runs_and_saves_their_state(make_job: Callable[..., Job]) -> None:
    jobs = [make_job(name, epochs=MANY_EPOCHS) for name in ("one", "two")]
    with _start(jobs) as process:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=300)
    assert (process.returncode, stderr.strip()) == (1, "stopped with 2 runs unfinished; the same command continues")
    assert all(states.find(job.run) is not None for job in jobs)


def test_runs_stop_when_their_parent_is_killed(make_job: Callable[..., Job]) -> None:
    jobs = [make_job(name, epochs=MANY_EPOCHS) for name in ("one", "two")]
    with _start(jobs) as process:
        process.kill()
        process.communicate(timeout=300)
    _wait_until(lambda: all((job.run / "state" / "state.json").is_file() for job in jobs))
    _wait_until(lambda: not _workers_of(jobs))
    # The saved states can be resumed.
    assert [states.find(job.run) is not None for job in jobs] == [True, True]


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


def test_an_interruption_before_the_first_run_is_raised(make_job: Callable[..., Job]) -> None:
    def interrupt(job: Job) -> Job:
        os.kill(os.getpid(), signal.SIGTERM)
        return job

    with pytest.raises(Interrupted, match="stopped with 1 run unfinished"):
        run_all(
            [make_job("one", epochs=MANY_EPOCHS)],
            kind="train",
            job_of=interrupt,
            slots=TWO_SLOTS,
            on_end=lambda *_: None,
        )


def test_a_job_survives_serialisation(make_job: Callable[..., Job]) -> None:
    job = make_job("one", seed=7)
    for variant in (job, replace(job, encoder=job.root / "encoder", resume=True, keep_checkpoint=True)):
        assert "\n" not in variant.to_json() and Job.from_json(variant.to_json()) == variant
    assert json.loads(job.to_json())["encoder"] is None


@pytest.mark.parametrize(("n_jobs", "threads", "expected"), [(1, 0, 0), (1, 3, 3), (3, 0, 1), (2, 4, 1)])
def test_several_processes_have_one_thread_each(n_jobs: int, threads: int, expected: int) -> None:
    slots = Slots.of(torch.device("cpu"), n_jobs=n_jobs, threads=threads)
    assert slots == Slots(("cpu",) * n_jobs, expected) and slots.n == n_jobs


def test_the_default_is_one_job_per_core() -> None:
    assert Slots.of(torch.device("cpu"), n_jobs=0, threads=0).n == hardware.physical_cores()
    # If a GPU is named, all jobs use it.
    assert Slots.of(torch.device("cuda:1"), n_jobs=3, threads=0).devices == ("cuda:1",) * 3

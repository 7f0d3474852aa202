"""Run an ablation's trainings, in sequence or in parallel, and estimate how long they take."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from ssmi.ablation.jobs import expected
from ssmi.ablation.jobs.expected import Times
from ssmi.ablation.jobs.job import Job, Speed, measure, run_job
from ssmi.ablation.jobs.pool import JobOutcome, Slots, log_of, run_all
from ssmi.ablation.runs import Ablation, PlannedRun
from ssmi.model import hardware
from ssmi.pipeline.contract.errors import DivergedError, SsmiError


@dataclass(slots=True)
class Schedule:
    """The pending runs of an ablation.

    Attributes:
        ablation: The ablation that the runs belong to.
        missing: The pending runs, in the order in which they are trained.
        n_all: Number of runs, including those that are already finished.
        n_jobs: Number of runs at once; 0 for one per GPU, or one per physical core without a GPU.
        diverged: One line per run whose loss was not finite.
        failed: One line per run that failed for another reason.

    """

    ablation: Ablation
    missing: Sequence[PlannedRun]
    n_all: int
    n_jobs: int
    diverged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)
    """Expected seconds of a run, by name of its row."""
    _done: set[str] = field(default_factory=set)

    def expect(self) -> None:
        """Report the expected duration; rows not yet timed on this machine are first trained for a few steps."""
        if not self.missing:
            return
        first: dict[str, PlannedRun] = {}
        for run in self.missing:
            first.setdefault(run.row.configuration.name, run)
        known = {name: self._times.of(run.row.settings, n_jobs=self.slots.n) for name, run in first.items()}
        self._seconds = {name: seconds for name, seconds in known.items() if seconds is not None}
        self._measure([run for name, run in first.items() if name not in self._seconds])
        # A sum without some of the rows would be too low.
        if len(self._seconds) == len(first):
            n, n_jobs = len(self.missing), self.slots.n
            of_a_run = {name: self._seconds[name] for name in first}
            self._note(expected.describe(of_a_run, n_runs=n, seconds=self._left(), n_jobs=n_jobs))

    def run(self, finished: Callable[[PlannedRun], float], gave_up: Callable[[PlannedRun], None]) -> None:
        """Train all pending runs; the others continue if a run diverges or, in a process of its own, fails otherwise.

        Args:
            finished: Called with each finished run; returns F1 of its row and seed so far, from 0 to 1.
            gave_up: Called with each run that failed.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.

        """
        self.expect()

        def end(run: PlannedRun, outcome: JobOutcome) -> None:
            self._done.add(run.name)
            if outcome.state == "done":
                self._finish(run, outcome, f1=finished(run))
                return
            (self.diverged if outcome.state == "diverged" else self.failed).append(f"{run.name}: {outcome.message}")
            gave_up(run)
            self._note(f"failed: {outcome.message}; continuing with the next run")

        if self.slots.n == 1:
            for run in self.missing:
                end(run, self._run_here(run))
        else:
            run_all(self.missing, kind="train", job_of=self._job, slots=self.slots, on_end=end)

    @property
    def slots(self) -> Slots:
        """The processes that run at once, with their shares of the machine."""
        train = self.ablation.params.train
        device = hardware.choose_device(train.device)
        return Slots.of(device, n_jobs=self.n_jobs, threads=train.threads)

    @property
    def _times(self) -> Times:
        return Times(self.ablation.workspace.paths.run_times)

    def _left(self) -> float:
        """Return the expected seconds of the runs that are still pending."""
        left = [self._seconds[run.row.configuration.name] for run in self.missing if run.name not in self._done]
        return expected.total(left, n_jobs=self.slots.n)

    def _job(self, run: PlannedRun) -> Job:
        # First, so that a rejected run leaves its folder unchanged.
        job = self.ablation.job(run)
        resume, state = self.ablation.prepare_run_folder(run)
        self._note(f"{self._count(run)} {run.name}{state}")
        return replace(job, resume=resume)

    def _count(self, run: PlannedRun) -> str:
        number = self.n_all - len(self.missing) + [one.name for one in self.missing].index(run.name) + 1
        return f"[{number}/{self.n_all}]"

    def _run_here(self, run: PlannedRun) -> JobOutcome:
        job, began = self._job(run), monotonic()
        try:
            run_job(job, self.ablation.workspace.reporter)
        except DivergedError as error:
            return JobOutcome("diverged", error.message, monotonic() - began)
        return JobOutcome("done", "", monotonic() - began, {"resumed": job.resume})

    def _finish(self, run: PlannedRun, outcome: JobOutcome, *, f1: float) -> None:
        name = run.row.configuration.name
        # The time of a resumed run is not that of a complete run.
        if not outcome.result.get("resumed"):
            self._seconds[name] = outcome.seconds
            self._times.add(run.row.settings, n_jobs=self.slots.n, seconds=outcome.seconds)
        if self.slots.n > 1 or run.fold is not None:
            left = len(self.missing) - len(self._done)
            known = all(one.row.configuration.name in self._seconds for one in self.missing)
            rest = f"; {left} left" + (f", about {expected.in_words(self._left())}" if known else "") if left else ""
            so_far = "" if run.fold is None else " over its folds so far"
            self._note(
                f"{self._count(run)} {run.name}: F1 {100 * f1:.2f}{so_far}, {expected.in_words(outcome.seconds)}{rest}"
            )

    def _measure(self, runs: Sequence[PlannedRun]) -> None:
        """Train each run for a few steps, as many at once as the actual runs."""
        scratch = self.ablation.workspace.paths.scratch / "speed"

        def job_of(run: PlannedRun) -> Job:
            # Named by the process id, because another call may measure in the same project.
            return replace(self.ablation.job(run), run=scratch / f"{os.getpid()}-{run.row.configuration.name}")

        def end(run: PlannedRun, outcome: JobOutcome) -> None:
            log_of(job_of(run).run).unlink(missing_ok=True)
            if outcome.state == "done":
                self._expect_from(run, Speed(*(outcome.result[name] for name in Speed.__slots__)))
            else:  # the run itself will report the error
                self._note(f"{run.row.configuration.name}: no speed measured ({outcome.message})")

        if not runs:
            return
        self._note(f"measuring the speed of {len(runs)} configurations" if len(runs) > 1 else "measuring the speed")
        if self.slots.n == 1:
            for run in runs:
                self._measure_here(run, job_of(run))
        else:
            run_all(runs, kind="measure", job_of=job_of, slots=self.slots, on_end=end)

    def _measure_here(self, run: PlannedRun, job: Job) -> None:
        try:
            self._expect_from(run, measure(job))
        except SsmiError as error:  # the run itself will report the error
            self._note(f"{run.row.configuration.name}: no speed measured ({error.message})")

    def _expect_from(self, run: PlannedRun, speed: Speed) -> None:
        train = run.row.params.train
        tagged = run.row.tagged_characters(speed.characters)
        self._seconds[run.row.configuration.name] = expected.seconds_of_run(speed, train, tagged_characters=tagged)

    def _note(self, message: str) -> None:
        self.ablation.workspace.reporter.note(message)

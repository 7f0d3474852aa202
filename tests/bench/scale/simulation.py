"""Simulate a build of any size on any number of workers, from measured figures: every part counts, no text is read.

``run_call`` simulates one call of ``Executor.map`` task by task, as ``Cluster.map`` does: the driver fills its window,
waits for the oldest task, and takes results in order; the scheduler passes tasks on one after the other.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ssmi.pipeline.columns.queries import ROWS_PER_RANGE
from ssmi.pipeline.executor import WORKER_POLL_SECONDS
from ssmi.pipeline.local_workers import TASKS_IN_FLIGHT_PER_WORKER
from ssmi.pipeline.stages.running.encoding import WORDS_PER_TASK
from ssmi.pipeline.stages.selection import QUERIES_PER_PART
from tests.bench.scale.figures import Figures, Growth, Rates

TABLES_READ = {"count": 1, "segment": 1, "collect": 2, "number": 1, "local": 1, "shards": 4}
"""Tables of other stages that a task reads: each is verified against its stage's manifest, which is read with it."""
CALLS = {"segment": 1, "embed": 1, "selection": 2, "pmi": 1, "shards": 1}
"""How often a stage goes over all parts."""
CHARACTERS_IN_USE = 7_000
"""Upper limit on ranges of ``selection``, because a range contains at least one character's queries."""
SPREAD = 0.2
"""Tasks take up to this share longer or shorter than their mean, uniformly distributed."""


MAX_TASKS = 10_000


@dataclass(frozen=True)
class Plan:
    """A build to simulate."""

    sentences: int
    sentences_per_part: int
    workers: int

    @property
    def parts(self) -> int:
        """Number of parts."""
        return math.ceil(self.sentences / self.sentences_per_part)


@dataclass(frozen=True)
class Call:
    """One ``map`` over tasks."""

    n: int
    seconds: float
    """Seconds of work per task."""


@dataclass(frozen=True)
class StageTime:
    """Wall-clock seconds of one stage."""

    stage: str
    alone: float
    """Seconds of the driver during which no worker has work."""
    tasks: float
    """Seconds of the calls, from the first submitted task to the last result."""
    n_tasks: int
    busy: float
    """Share of ``workers * tasks`` during which workers were busy."""

    @property
    def seconds(self) -> float:
        """Seconds of the whole stage."""
        return self.alone + self.tasks


@dataclass(frozen=True)
class Build:
    """Cost of a whole build."""

    plan: Plan
    stages: tuple[StageTime, ...]
    cpu: float
    """CPU seconds of the work itself, on all workers and the driver."""
    driver_memory: float
    """Bytes of the driver's longest list of parts and of the manifests it keeps."""
    worker_memory: float
    """Bytes per worker that grow with the corpus: manifests, and the names of all segments."""
    n_bytes: float
    n_files: int

    @property
    def seconds(self) -> float:
        """Wall-clock seconds."""
        return sum(stage.seconds for stage in self.stages)


def run_call(call: Call, plan: Plan, rates: Rates, *, seed: int = 1) -> tuple[float, float]:
    """Seconds from the first task to the last result, and seconds during which workers were busy.

    At most ``MAX_TASKS`` tasks are simulated; the others are assumed to continue at the rate of the second half.
    """
    n = min(call.n, MAX_TASKS)
    result_times, busy_seconds = _simulate(n, call.seconds, plan, rates, seed=seed)
    if call.n <= n:
        return result_times[-1] if result_times else 0.0, busy_seconds
    rate = (result_times[n - 1] - result_times[n // 2 - 1]) / (n - n // 2)
    return result_times[-1] + (call.n - n) * rate, busy_seconds / n * call.n


def _simulate(n: int, seconds: float, plan: Plan, rates: Rates, *, seed: int) -> tuple[list[float], float]:
    """Times at which the driver took each result, and seconds during which workers were busy."""
    rng = random.Random(seed)
    free_at = [0.0] * min(plan.workers, max(1, n))  # time at which each worker becomes free
    window = TASKS_IN_FLIGHT_PER_WORKER * plan.workers
    waiting: deque[float] = deque()  # end times of tasks whose results are not yet taken, oldest first
    running: list[float] = []  # end times of tasks that are not done
    result_times: list[float] = []
    driver_time = scheduler_time = busy_seconds = 0.0
    n_submitted = 0
    while n_submitted < n or waiting:
        driver_time += 2 * rates.look * len(waiting)  # before and after a result
        while running and running[0] <= driver_time:
            heapq.heappop(running)
        while n_submitted < n and len(running) < window:
            driver_time += rates.driver / 2
            scheduler_time = max(scheduler_time, driver_time) + rates.scheduler
            duration = seconds * rng.uniform(1 - SPREAD, 1 + SPREAD) + rates.worker
            end = max(scheduler_time, heapq.heappop(free_at)) + duration
            heapq.heappush(free_at, end)
            heapq.heappush(running, end)
            waiting.append(end)
            busy_seconds += duration
            n_submitted += 1
        if waiting[0] > driver_time + WORKER_POLL_SECONDS:
            driver_time += WORKER_POLL_SECONDS
        else:
            driver_time = max(driver_time, waiting.popleft()) + rates.driver / 2
            result_times.append(driver_time)
    return result_times, busy_seconds


def build(plan: Plan, figures: Figures) -> Build:
    """Simulate all stages, one after the other."""
    stages = tuple(_stage(name, plan, figures) for name in figures.stages)
    files = {name: plan.parts * cost.files_a_part for name, cost in figures.stages.items()}
    segments = _largest_count(figures.segments, plan.sentences)
    manifests = figures.rates.manifest_memory + figures.rates.manifest_bytes
    return Build(
        plan,
        stages,
        cpu=plan.sentences * sum(cost.cpu for cost in figures.stages.values())
        + _largest_count(figures.new_words, plan.sentences) * figures.encode,
        driver_memory=plan.parts * figures.rates.plan_memory + sum(files.values()) * manifests,
        worker_memory=sum(files.values()) * manifests + segments * figures.segment_memory,
        n_bytes=plan.sentences * sum(cost.bytes_out for cost in figures.stages.values()),
        n_files=round(sum(files.values())),
    )


def _stage(name: str, plan: Plan, figures: Figures) -> StageTime:
    rates, cost = figures.rates, figures.stages[name]
    n_files = plan.parts * cost.files_a_part
    # The stage's output is read again and named in the manifest.
    alone = plan.sentences * cost.bytes_out * rates.digest + n_files * rates.manifest_write
    if name == "prepare":
        return StageTime(name, alone + plan.sentences * cost.cpu, 0.0, 0, 0.0)
    calls = list(_calls(name, plan, figures))
    alone += CALLS[name] * plan.parts * (rates.plan + rates.listing)
    if name == "selection":
        alone += _n_ranges(plan, figures) * rates.plan
    times = [run_call(call, plan, rates) for call in calls]
    seconds = sum(duration for duration, _ in times)
    busy = sum(busy_seconds for _, busy_seconds in times) / (plan.workers * seconds) if seconds else 0.0
    return StageTime(name, alone, seconds, sum(call.n for call in calls), busy)


def _calls(name: str, plan: Plan, figures: Figures) -> Iterator[Call]:
    """Yield the calls of a stage. Its measured CPU time is divided among its calls over all parts."""
    rates = figures.rates
    manifest = plan.parts * rates.manifest_read  # of an earlier stage
    own_seconds = figures.stages[name].cpu * plan.sentences_per_part / CALLS[name]
    tables = {
        "segment": ["segment"], "embed": ["count"], "selection": ["collect", "number"], "pmi": ["local"],
        "shards": ["shards"],
    }[name]  # fmt: skip
    for call in tables:
        opening_seconds = _n_ranges(plan, figures) * rates.range_open / 2 if call == "number" else 0.0
        yield Call(plan.parts, own_seconds + TABLES_READ[call] * manifest + opening_seconds)
        if name == "embed":
            n = math.ceil(_largest_count(figures.new_words, plan.sentences) / WORDS_PER_TASK)
            yield Call(n, WORDS_PER_TASK * figures.encode)
        if call == "collect":
            yield Call(_n_ranges(plan, figures), plan.parts * rates.range_open / 2)
            yield Call(math.ceil(_largest_count(figures.queries, plan.sentences) / QUERIES_PER_PART), 0.0)


def _n_ranges(plan: Plan, figures: Figures) -> int:
    """Number of ranges of characters: ``ROWS_PER_RANGE`` queries of parts each, but at least one character."""
    queries_per_part = _largest_count(figures.queries, plan.sentences_per_part)
    return min(CHARACTERS_IN_USE, math.ceil(plan.parts * queries_per_part / ROWS_PER_RANGE))


def _largest_count(growth: Mapping[str, Growth], sentences: float) -> float:
    """The count for ``sentences``, in the counted text where it is largest."""
    return max(law.at(sentences) for law in growth.values())

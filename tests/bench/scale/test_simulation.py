"""The simulation has the number of tasks of a real build, and the times of a real scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.executor import WORKER_POLL_SECONDS, Result, Serial, Task, Work
from ssmi.pipeline.stages.running.registry import build as build_stages
from ssmi.pipeline.stages.running.stage import StageContext
from tests.bench.scale.figures import Figures, Rates
from tests.bench.scale.rates import sleep_on_dask
from tests.bench.scale.simulation import MAX_TASKS, SPREAD, Call, Plan, build, run_call


class CountingExecutor(Serial):
    """An executor that runs tasks and counts them by stage."""

    def __init__(self) -> None:
        self.n_tasks: Counter[str] = Counter()

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """See Executor."""
        self.n_tasks[work.label] += len(work.tasks)
        return super().map(work, reporter)


LABELS = {
    "segment": ["segment"],
    "embed": ["count segments", "embed"],
    "selection": ["collect selections", "distinct selections", "select", "number selections"],
    "pmi": ["local boundaries"],
    "shards": ["shards"],
}


def test_simulated_and_real_builds_have_the_same_number_of_tasks(project: Any, figures: Callable[..., Figures]) -> None:
    params = parameters.load(project.root / "params.yaml", overrides=["prepare.sentences_per_part=4"])
    executor = CountingExecutor()
    context = StageContext(project.root, "tiny", params, executor, Silent())
    for _ in build_stages(context, force=True):
        pass
    train = context.folder("prepare") / "train"
    n_parts = [len(tables.list_parts(train.parent, split)) for split in tables.SPLITS]
    assert n_parts[0] > 10
    segments = pq.read_table(context.folder("embed") / "segments.parquet", columns=["boundary_id"])
    n_queries = tables.count_rows(tables.list_parts(context.folder("selection"), "selections"))
    words = segments["boundary_id"].to_pylist().count(0)
    simulated = build(Plan(4 * sum(n_parts), 4, workers=2), figures(words=words, queries=n_queries))
    simulated_tasks = {stage.stage: stage.n_tasks for stage in simulated.stages if stage.stage != "prepare"}
    real_tasks = {stage: sum(executor.n_tasks[label] for label in labels) for stage, labels in LABELS.items()}
    # Vocabulary words are encoded too, because the map between the spaces is fitted on them: less than one more task.
    assert (
        real_tasks == simulated_tasks | {"embed": real_tasks["embed"]}
        and 0 <= real_tasks["embed"] - simulated_tasks["embed"] <= 1
    )
    assert simulated.plan.parts == sum(n_parts)


@given(n=st.integers(1, 300), workers=st.integers(1, 40), seconds=st.floats(0.01, 20))
def test_without_overhead_the_workers_share_the_work(n: int, workers: int, seconds: float) -> None:
    zero_rates = Rates(**dict.fromkeys(Rates.__dataclass_fields__, 0.0))
    duration, busy_seconds = run_call(Call(n, seconds), Plan(n, 1, workers), zero_rates)
    assert (1 - SPREAD) * n * seconds <= busy_seconds <= (1 + SPREAD) * n * seconds
    longest = seconds * (1 + SPREAD)
    assert busy_seconds / workers - 1e-6 <= duration <= busy_seconds / workers + longest + WORKER_POLL_SECONDS


@pytest.mark.parametrize("process", ["driver", "scheduler"])
def test_empty_tasks_take_the_time_of_the_driver_or_scheduler(free_rates: Callable[..., Rates], process: str) -> None:
    duration, _ = run_call(Call(500, 0.0), Plan(500, 1, workers=50), free_rates(**{process: 0.01}))
    assert duration == pytest.approx(5, rel=0.01)


def test_more_workers_do_not_help_a_saturated_driver(free_rates: Callable[..., Rates]) -> None:
    rates = free_rates(driver=0.01)
    times = [run_call(Call(4000, 1.0), Plan(4000, 1, workers), rates)[0] for workers in (10, 100, 1000)]
    assert times[0] == pytest.approx(400, rel=0.05)
    assert times[1] == pytest.approx(40, rel=0.15) and times[2] > times[1] * 0.9


def test_tasks_beyond_the_limit_continue_at_the_same_rate(free_rates: Callable[..., Rates]) -> None:
    plan, rates = Plan(1, 1, workers=20), free_rates(driver=0.001)
    few, many = (run_call(Call(n, 1.0), plan, rates)[0] for n in (MAX_TASKS, 3 * MAX_TASKS))
    assert many == pytest.approx(3 * few, rel=0.01)


def test_the_cost_of_a_build_grows_with_the_text(figures: Callable[..., Figures]) -> None:
    cpu = {"prepare": 1e-4, "segment": 1e-3, "shards": 2e-3}
    small, large = (build(Plan(n, 2048, workers=4), figures(**cpu)) for n in (10**6, 2 * 10**6))
    assert small.cpu == pytest.approx(3.1e-3 * 10**6) and large.cpu == pytest.approx(2 * small.cpu)
    assert {stage.stage: round(stage.seconds / 10) for stage in small.stages} == {
        "prepare": 10, "segment": 25, "embed": 0, "selection": 0, "pmi": 0, "shards": 50,
    }  # fmt: skip
    assert small.n_bytes == 60 * 10**6 and small.n_files == 6 * small.plan.parts == 6 * 489


@pytest.mark.heavy
def test_a_simulated_call_takes_the_time_of_a_real_scheduler(tmp_path: Path, free_rates: Callable[..., Rates]) -> None:
    """Sleeping tasks need no core, so a busy machine lengthens only the rest."""
    real_seconds = sleep_on_dask(tmp_path, n_tasks=30, seconds=1, n_workers=2)
    simulated_seconds, _ = run_call(Call(30, 1), Plan(30, 1, workers=2), free_rates(driver=0.005, scheduler=0.005))
    assert 0.9 < real_seconds / simulated_seconds < 2

"""The tables of docs/scale.md: measurements, and simulations based on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench.scale.figures import Figures, Growth
from tests.bench.scale.simulation import Build, Plan, build

MILLION, BILLION = 10**6, 10**9
PARTS = (2048, 16_384)
WORKERS = (16, 100, 1000)
CORPORA = 100
"""Number of corpora into which ten billion sentences are divided."""


def all_tables(figures: Figures) -> dict[str, str]:
    """Mapping from the name of each table to its Markdown."""
    return {
        "costs": costs(figures),
        "growth": growth(figures),
        "rates": rates(figures),
        "hundred million": hundred_million(figures),
        "ten billion": ten_billion(figures),
        "limits": limits(figures),
    }


def costs(figures: Figures) -> str:
    """Cost of a sentence in each stage."""
    rows = [
        [f"`{name}`", f"{1e6 * cost.cpu:,.0f} µs", f"{cost.bytes_out:,.0f} B", f"{cost.files_a_part:.2g}",
         f"{cost.peak_mib} MiB"] for name, cost in figures.stages.items()
    ]  # fmt: skip
    total = figures.stages.values()
    rows.append([
        "all", f"{1e6 * sum(one.cpu for one in total):,.0f} µs", f"{sum(one.bytes_out for one in total):,.0f} B",
        f"{sum(one.files_a_part for one in total):.2g}", "",
    ])  # fmt: skip
    return _table(
        ["stage", "CPU per sentence", "written per sentence", "files per part", "peak memory of the process"], rows
    )


def growth(figures: Figures) -> str:
    """Counts that grow more slowly than the text."""
    rows = [
        [name, text, *_law(law), f"{law.at(100 * MILLION):,.2g}", f"{law.at(2**31):,.2g}"]
        for name, laws in (
            ("distinct segments", figures.segments),
            ("of them outside the vocabulary", figures.new_words),
            ("distinct (character, segment)", figures.queries),
        )
        for text, law in laws.items()
    ]
    return _table(["", "text", "counted", "law", "in 100 million", "in 2,147 million"], rows)


def _law(law: Growth) -> tuple[str, str]:
    last = max(law.counted)
    return f"{law.counted[last]:,} in {last:,}", f"{law.factor:,.3g} · n^{law.power:.2f}"


def rates(figures: Figures) -> str:
    """Overhead of a part that does no work."""
    measured = figures.rates
    rows = [
        ["Dask scheduler, per task", _time(measured.scheduler)],
        ["driver with Dask, per task", _time(measured.driver)],
        ["driver, per result and unfinished task", _time(2 * measured.look)],
        [
            "driver, per part before the first task is submitted: making its task and checking for its mark",
            _time(measured.plan),
        ],
        ["worker, per part: writing its mark to disk", _time(measured.worker)],
        ["listing parts with their rows, per part", _time(measured.listing)],
        ["writing a manifest, per file", f"{_time(measured.manifest_write)}, {measured.manifest_bytes:.0f} B"],
        ["holding a manifest in memory, per file", f"{measured.manifest_memory + measured.manifest_bytes:.0f} B"],
        ["reading a manifest again with each table, per file", _time(measured.manifest_read)],
        ["`selection`, per range of characters and part", _time(measured.range_open)],
        ["driver's list of parts, per part", f"{measured.plan_memory / 1000:.1f} kB"],
        ["hashing the output once more", f"{1e-9 / measured.digest:.1f} GB/s"],
    ]
    return _table(["what", "CPU or size"], rows)


def hundred_million(figures: Figures) -> str:
    """One corpus of 100 million sentences."""
    builds = [
        build(Plan(100 * MILLION, parts, workers), figures) for parts in PARTS for workers in WORKERS
    ]  # fmt: skip
    return _builds(builds)


def ten_billion(figures: Figures) -> str:
    """Ten billion sentences as a hundred corpora, each built by a share of the workers."""
    size = 10 * BILLION // CORPORA
    rows = []
    for workers in (100, 1000, 10_000):
        result = build(Plan(size, PARTS[1], workers // CORPORA), figures)
        rows.append([
            f"{workers:,}", f"{CORPORA} × {size // MILLION} million", f"{_hours(result.seconds)}",
            f"{CORPORA * result.cpu / 3600:,.0f} h", f"{CORPORA * result.n_bytes / 1e12:,.1f} TB",
            f"{CORPORA * result.n_files:,}",
        ])  # fmt: skip
    return _table(["workers", "corpora", "wall clock", "CPU", "written", "files"], rows)


def limits(figures: Figures) -> str:
    """One corpus of increasing size: its demands on the driver and on each worker."""
    rows = []
    for sentences in (MILLION, 10 * MILLION, 100 * MILLION, 2**31):
        for parts in PARTS:
            plan = Plan(sentences, parts, WORKERS[1])
            result = build(plan, figures)
            prepare = next(stage for stage in result.stages if stage.stage == "prepare").seconds
            rows.append([
                f"{sentences / MILLION:,.0f} million", f"{parts:,}", f"{plan.parts:,}", _hours(result.seconds),
                f"{prepare / result.seconds:.0%}", _gigabytes(result.driver_memory), _gigabytes(result.worker_memory),
            ])  # fmt: skip
    names = ["sentences", "sentences per part", "parts", "wall clock, 100 workers", "share of `prepare`",
             "driver memory grows by", "worker memory grows by"]  # fmt: skip
    return _table(names, rows)


def _builds(builds: Sequence[Build]) -> str:
    rows = []
    for one in builds:
        seconds = {stage.stage: stage.seconds for stage in one.stages}
        others = [stage for stage in one.stages if stage.n_tasks]
        busy = sum(stage.busy * stage.tasks for stage in others) / sum(stage.tasks for stage in others)
        rows.append([
            f"{one.plan.sentences_per_part:,}", f"{one.plan.parts:,}", f"{one.plan.workers:,}", _hours(one.seconds),
            *(_hours(seconds[name]) for name in seconds), f"{busy:.0%}",
        ])  # fmt: skip
    names = [f"`{stage.stage}`" for stage in builds[0].stages]
    return _table(["sentences per part", "parts", "workers", "wall clock", *names, "time workers are busy"], rows)


def _hours(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def _gigabytes(n: float) -> str:
    return f"{n / 1e9:.1f} GB"


def _time(seconds: float) -> str:
    return f"{1e9 * seconds:.0f} ns" if seconds < 1e-6 else f"{1e6 * seconds:,.0f} µs"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_lines(names, rows))


def _lines(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)
    yield from (f"| {' | '.join(row)} |" for row in rows)

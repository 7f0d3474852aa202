"""Growth of memory and time per sentence with a corpus: ``make bench-memory PROJECT=. DATASET=sample TEXT=FILE``.

The first lines of a text, then twice and eight times as many, are built as corpora in the manner of a data set that is
built in the project, stage by stage with one worker; the lines should all be different. For each stage, the benchmark
reports the peak memory of the driver and of the worker (resident, including mapped files) and the CPU time of both per
sentence. Then segmentation and selection, with their matching, are run with two workers on the longest piece.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from itertools import islice, pairwise
from pathlib import Path

from ssmi.pipeline.contract.project.paths import ArtifactPaths
from tests.bench.stages.processes import Run, run

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("prepare", "segment", "embed", "selection", "pmi", "shards")
PARALLEL_STAGES = ("segment", "selection")
TIMES = (1, 2, 8)


def stage(project: Path, name: str, corpus: Path, like: str, *, workers: int, switches: tuple[str, ...] = ()) -> Run:
    """Run one stage of a corpus in a separate process with workers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    options = ["--corpus", str(corpus), "--like", like, "--workers", str(workers), *switches]
    command = [sys.executable, "-m", "ssmi.cli.main", "--project", str(project), "features", name, *options]
    return run(command, cwd=project.parent, environment=environment)


def pieces(text: Path, folder: Path, *, lines: int) -> dict[int, Path]:
    """Write the first ``lines`` lines of a text, and its multiples in ``TIMES``, each as a separate corpus."""
    corpora = {}
    for times in TIMES:
        corpora[times] = folder / f"piece-{times}"
        corpora[times].mkdir()
        with text.open(encoding="utf-8") as source, (corpora[times] / "text.txt").open("w", encoding="utf-8") as piece:
            selected = list(islice(source, lines * times))
            if len(selected) < lines * times:
                raise SystemExit(f"{text}: {lines * times:,} lines are needed, and there are {len(selected):,}")
            piece.writelines(selected)
    return corpora


def copy_of(project: Path, like: str, folder: Path) -> Path:
    """Copy the project with the stages of the data set that corpora need."""
    copy = folder / "project"
    paths, copy_paths = ArtifactPaths(project), ArtifactPaths(copy)
    for name in ("vocab", *STAGES):
        shutil.copytree(paths.stage(name, like), copy_paths.stage(name, like))
    shutil.copy(paths.params, copy_paths.params)
    return copy


def main() -> None:
    """Build the pieces and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="where the data set is built")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--text", type=Path, required=True, help="plain text, a sentence a line")
    parser.add_argument("--lines", type=int, default=3000, help="of the shortest piece")
    parser.add_argument("--part", type=int, default=512, help="sentences of a part")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project = copy_of(options.project, options.dataset, folder)
        corpora = pieces(options.text, folder, lines=options.lines)
        switches = ("-S", f"prepare.sentences_per_part={options.part}")
        runs = {
            (name, times): stage(project, name, corpus, options.dataset, workers=1, switches=switches)
            for times, corpus in corpora.items()
            for name in STAGES
        }
        print_growth(runs, lines=options.lines)
        for name in PARALLEL_STAGES:
            two_workers = stage(project, name, corpora[TIMES[-1]], options.dataset, workers=2, switches=switches)
            print_speedup(name, runs, two_workers)


def print_growth(runs: Mapping[tuple[str, int], Run], *, lines: int) -> None:
    """Print one line per stage: peaks of the pieces, largest over smallest, milliseconds per additional line."""
    print(f"pieces of {', '.join(f'{lines * times:,}' for times in TIMES)} lines; memory in MiB")
    print("CPU time in ms: of a line of the longest piece, and of each line that a piece has more than the one before")
    for name in STAGES:
        stage_runs = [runs[name, times] for times in TIMES]
        drivers = [one.driver.peak for one in stage_runs]
        workers = [max((worker.peak for worker in one.workers), default=0.0) for one in stage_runs]
        additional = [
            1000 * (next_run.cpu - one.cpu) / (lines * (n_next - n))
            for (one, n), (next_run, n_next) in pairwise(zip(stage_runs, TIMES, strict=True))
        ]
        costs = [1000 * stage_runs[-1].cpu / (lines * TIMES[-1]), *additional]
        print(f"{name:12}driver {_row(drivers)}{_growth(drivers)}  worker {_row(workers)}{_growth(workers)}", end="")
        print(f"  {_row(costs, 2)}")


def print_speedup(name: str, runs: Mapping[tuple[str, int], Run], two_workers: Run) -> None:
    """Print how much faster two workers are than one on the longest piece, with one core per process.

    The speed-up is also given without start and imports, which do not depend on the text: their time is extrapolated to
    zero lines from the shortest and the longest piece.
    """
    short, one = runs[name, TIMES[0]].critical_path, runs[name, TIMES[-1]].critical_path
    start = short - (one - short) / (TIMES[-1] - TIMES[0])
    print(
        f"{name:12}critical path {one:.1f} s with one worker, {two_workers.critical_path:.1f} s with two: "
        f"{one / two_workers.critical_path:.2f} times; without the start of {start:.1f} s "
        f"{(one - start) / (two_workers.critical_path - start):.2f} times"
    )


def _row(values: list[float], digits: int = 0) -> str:
    return "".join(f"{value:8.{digits}f}" for value in values)


def _growth(values: list[float]) -> str:
    return f"{max(values) / min(values):6.2f}" if min(values) else "     -"


if __name__ == "__main__":
    main()

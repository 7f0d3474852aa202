"""Gains between the rows of ablations over folds, computed from their stored counts: ``make gains``.

``docs/results/counts/DATASET.parquet`` contains, for each row, seed and sentence, the number of gold, predicted and
correct entities, as ``ssmi-cli ablate --folds`` writes them to ``counts.parquet``; sentences are stored as digests. So
every interval of the documentation can be recomputed, and rows that are trained later can be compared with these.
``--add FILE`` adds the rows of such a file, replacing rows of the same name and seed; ``--run ROW=DIRECTORY`` adds the
test scores of a run without folds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from ssmi.ablation.jobs.job import read_run_metadata
from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.evaluation.significance import ALL, Difference, System, compare
from ssmi.model.runs.results import counts_file
from ssmi.pipeline.contract.parquet import schema, tables

COUNTS = Path(__file__).resolve().parents[3] / "docs" / "results" / "counts"


def read_systems(counts: Path) -> dict[str, System]:
    """Map each row of an ablation to its runs by seed, each with all its folds."""
    frame = pl.read_parquet(counts)
    systems = {}
    for (row,), of_row in frame.group_by("configuration", maintain_order=True):
        runs = {
            int(str(seed)): SentenceCounts(of_seed["sentence"].to_list(), [_by_type(one) for one in of_seed["counts"]])
            for (seed,), of_seed in of_row.group_by("seed", maintain_order=True)
        }
        systems[str(row)] = System(runs)
    return systems


def _by_type(counts: pl.Series) -> Mapping[str, EntityCounts]:
    return {one["label"]: EntityCounts(one["gold"], one["predicted"], one["correct"]) for one in counts}


def gain(systems: Mapping[str, System], row: str, over: str) -> Difference:
    """Difference in F1 between two rows, with its interval over sentences and seeds."""
    return compare(systems[row], systems[over])[ALL]


def add(counts: Path, target: Path) -> None:
    """Add the rows of an ablation; rows of the same name and seed are replaced."""
    frames = [pl.read_parquet(path) for path in (target, counts) if path.exists()]
    added = frames[-1].select("configuration", "seed").unique()
    old_frames = [frame.join(added, on=["configuration", "seed"], how="anti") for frame in frames[:-1]]
    rows = pl.concat([*old_frames, frames[-1]]).sort("configuration", "seed", maintain_order=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    tables.write_rows(target, schema.ABLATION_COUNTS, rows.to_dicts())


def add_run(row: str, run: Path, target: Path) -> None:
    """Add the counts of a run's test split."""
    seed = read_run_metadata(run).fingerprint.seed
    counts = tables.read_rows(counts_file.path_of(run, "test"), schema.COUNTS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "counts.parquet"
        rows = [{"configuration": row, "seed": seed, **of_sentence} for of_sentence in counts]
        tables.write_rows(file, schema.ABLATION_COUNTS, rows)
        add(file, target)


def main() -> None:
    """Print the F1 of each row of a data set, and its gain over one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--over", help="the row to compare with; the first one without")
    parser.add_argument("--add", type=Path, help="counts.parquet of an ablation over folds")
    parser.add_argument("--run", action="append", default=[], metavar="ROW=DIRECTORY", help="a run without folds")
    arguments = parser.parse_args()
    file = COUNTS / f"{arguments.dataset}.parquet"
    if arguments.add:
        add(arguments.add, file)
    for row, run in (one.split("=", 1) for one in arguments.run):
        add_run(row, Path(run), file)
    systems = read_systems(file)
    over = arguments.over or next(iter(systems))
    print(f"{'row':<20} seeds     F1   over {over}")
    for row, system in systems.items():
        one = gain(systems, row, over)
        interval = f"{100 * one.gain:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]" if row != over else ""
        print(f"{row:<20} {len(system.runs):>5}  {100 * one.f1:5.2f}   {interval}")


if __name__ == "__main__":
    main()

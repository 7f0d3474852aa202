"""Value of each reading of the selection to a linear tagger: ``make probe PROJECT=DIR DATASET=weibo``.

Prints F1 over five folds of train and dev (test is never read), and the gain over a base with its 95 % bootstrap
interval over sentences. ``CHANGED="NAME=DIR ..."`` names projects with the same data set and other features, whose
readings are compared with those of the first project. The first project's shards must store the encoder's states
(``-S shards.hidden=true -S shards.hidden_layers=2``). Runs on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ssmi.model import hardware
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.evaluation.significance import ALL, Difference, System, compare
from tests.bench.probing.linear_tagger import FoldTagger, Indices
from tests.bench.probing.readings import Matrix, Readings, have_same_sentences, read_readings, reading_of

ROOT = Path(__file__).resolve().parents[3]
SHRINKAGES = (0.003, 0.03, 0.1)
"""Shrinkages of the classifier's covariance; the best one for the base is used for every row."""
BASE = ("states", "segment", "places")
PAPER = (*BASE, "best", "set", "local")
SEED = 13
"""Seed under which the only run of each row is listed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A set of features, and the name of the row to compare it with; None for the base itself."""

    name: str
    features: tuple[str, ...]
    compared_to: str | None


BASE_ROW = Row("base", BASE, None)


def rows_of(changed: Sequence[str]) -> list[Row]:
    """All rows in the order of computation; each follows the row that it is compared with.

    Args:
        changed: Names of the projects other than the first.

    """
    rows = [BASE_ROW, Row("states", ("states",), "base")]
    for reading in ("segment", "places", "best", "set", "local", "role"):
        rows.append(Row(f"states + {reading}", ("states", reading), "states"))
    for reading in ("best", "set", "local", "role", "cosine"):
        rows.append(Row(f"base + {reading}", (*BASE, reading), "base"))
    rows.append(Row("paper", PAPER, "base"))
    for reading in ("best", "set", "local"):
        rows.append(Row(f"paper - {reading}", tuple(name for name in PAPER if name != reading), "paper"))
    rows.append(Row("paper, gated", tuple("gated" if name == "best" else name for name in PAPER), "paper"))
    rows.extend(Row(f"paper + {reading}", (*PAPER, reading), "paper") for reading in ("role", "cosine"))
    for name in changed:
        rows.append(Row(f"base + best, {name}", _features_of((*BASE, "best"), name), "base + best"))
        rows.append(Row(f"paper, {name}", _features_of(PAPER, name), "paper"))
    return rows


def select_rows(rows: Sequence[Row], texts: Sequence[str]) -> list[Row]:
    """Rows whose names contain one of ``texts``, with the rows they are compared with, in the same order."""
    names = {row.name for row in rows if any(text in row.name for text in texts)} | {BASE_ROW.name}
    for row in reversed(rows):  # each row follows the row it is compared with
        if row.compared_to and row.name in names:
            names.add(row.compared_to)
    return [row for row in rows if row.name in names]


def _features_of(features: Sequence[str], project: str) -> tuple[str, ...]:
    return tuple(f"{feature}@{project}" for feature in features)


class Probe:
    """Trains and scores the rows of one data set one by one."""

    def __init__(self, projects: Mapping[str, Readings], rows: Sequence[Row]) -> None:
        """``projects``: readings by project; all rows use the sentences and states of the first."""
        self._rows = rows
        self._slices: dict[str, Indices] = {}
        matrices: list[Matrix] = []
        width = 0
        for name in dict.fromkeys(feature for row in rows for feature in row.features):
            matrices.append(reading_of(name, projects))
            self._slices[name] = np.arange(width, width := width + matrices[-1].shape[1])
        self._tagger = FoldTagger(np.concatenate(matrices, axis=1), next(iter(projects.values())))

    def width(self, row: Row) -> int:
        """Number of columns of a row."""
        return len(self._columns(row))

    def _columns(self, row: Row) -> Indices:
        return np.concatenate([self._slices[feature] for feature in row.features])

    def choose_shrinkage(self) -> float:
        """Print the F1 of the base for each of ``SHRINKAGES``, and return the best one."""
        f1 = {}
        for shrinkage in SHRINKAGES:
            f1[shrinkage] = difference(self._tagger.count(self._columns(BASE_ROW), shrinkage=shrinkage)).f1
            print(f"shrinkage {shrinkage}: base {100 * f1[shrinkage]:.2f}", flush=True)
        return max(f1, key=lambda shrinkage: f1[shrinkage])

    def run(self, *, shrinkage: float) -> Iterator[tuple[Row, Difference]]:
        """Yield each row with its F1 and its gain over the row it is compared with, as soon as they are known."""
        finished: dict[str, SentenceCounts] = {}
        for row in self._rows:
            finished[row.name] = self._tagger.count(self._columns(row), shrinkage=shrinkage)
            yield row, difference(finished[row.name], finished[row.compared_to] if row.compared_to else None)


def difference(counts: SentenceCounts, base: SentenceCounts | None = None) -> Difference:
    """F1, and its difference from that of a base; without a base, the difference from itself."""
    return compare(System({SEED: counts}), System({SEED: base or counts}))[ALL]


def table_row(row: Row, found: Difference, width: int) -> str:
    """A row of the table; a star marks an interval that excludes 0."""
    comparison = ""
    if row.compared_to:
        interval = f"[{100 * found.low:+.2f}, {100 * found.high:+.2f}]{'*' if found.significant else ''}"
        comparison = f" {100 * found.gain:+6.2f} {interval} over {row.compared_to}"
    return f"{row.name:32}{width:5}{100 * found.f1:8.2f}{comparison}"


def main() -> None:
    """Read the projects, choose the shrinkage, run the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="where the data set is built, with states")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--changed", nargs="*", default=[], metavar="NAME=DIR", help="projects with other features")
    parser.add_argument("--only", nargs="*", default=[""], help="rows whose names contain one of these texts")
    options = parser.parse_args()
    folders = {"": options.project} | {name: Path(folder) for name, _, folder in map(_pair, options.changed)}
    with threadpool_limits(limits=1):
        hardware.set_threads(1)
        projects = {name: read_readings(folder, options.dataset) for name, folder in folders.items()}
        first = projects[""]
        for name, other in projects.items():
            if not have_same_sentences(first, other):
                parser.error(f"{name}: other sentences or tags of {options.dataset} than in {options.project}")
        print(
            f"{options.dataset}: {len(first.split):,} sentences, {len(first.split.token_ids):,} characters", flush=True
        )
        probe = Probe(projects, select_rows(rows_of([name for name in projects if name]), options.only))
        for row, found in probe.run(shrinkage=probe.choose_shrinkage()):
            print(table_row(row, found, probe.width(row)), flush=True)


def _pair(text: str) -> tuple[str, str, str]:
    return text.partition("=")


if __name__ == "__main__":
    main()

"""F1 against the encoder's depth and against speed: ``make curve`` draws docs/results/curve.csv.

A point is a network with a given number of encoder layers on a data set: its F1 over the folds of ``ablate --folds``,
or on the test split where nothing was folded, with the 95 % interval over sentences (and seeds), and its tagging speed
relative to the first run of ``make bench-tagging``. ``add`` takes the rows and their speeds from a file of lines
``NETWORK-LAYERS,TIMES`` (``ssmi-2,3.01``), and F1 from the counts of ablations whose rows have these names.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl

from ssmi.charts.rendering import Canvas, save_chart
from ssmi.charts.style import SMALL, Colour
from ssmi.model.evaluation.significance import LEVEL, RESAMPLES, SEED

ROOT = Path(__file__).resolve().parents[3]
POINTS = ROOT / "docs/results/curve.csv"
PICTURES = ROOT / "docs/assets"
NO_ENCODER = "none"
ALL_LAYERS = "12"
COLOURS = {
    "bert-crf": Colour.INK,
    "ssmi": Colour.ORANGE,
    "softlexicon": Colour.BLUE,
    "lebert": Colour.GREEN,
    "segment-only": Colour.PURPLE,
}
"""Colours of the networks whose points are joined by a line; all others are grey."""
SCORES = {
    "weibo": "F1 over five folds of train and dev",
    "resume": "F1 over five folds of train and dev",
    "msra10k": "F1 on MSRA's test",
}
"""What the F1 of each data set's points is."""
LABEL_OFFSETS = {"ssmi": (-5, 5), "softlexicon": (5, 5)}
"""Where the label of a point is, in points from it, so that labels of close points do not overlap."""


@dataclass(frozen=True, slots=True)
class Point:
    """A network with one depth on one data set."""

    dataset: str
    network: str
    layers: str
    """Encoder layers, or ``none``."""
    n_runs: int
    """Number of trainings: seeds, times folds if there are any."""
    f1: float
    low: float
    high: float
    """Ends of the interval; F1 and both ends are in per cent."""
    speed: float
    """Characters per second, as a multiple of the first run's."""

    @property
    def depth(self) -> int:
        """Encoder layers as a number."""
        return 0 if self.layers == NO_ENCODER else int(self.layers)


def f1_of_rows(counts: Path, *, n_folds: int) -> dict[str, tuple[int, float, float, float]]:
    """Map each row of an ablation to its trainings, F1 and interval in per cent, from ``folds-N/counts.parquet``."""
    frame = pl.read_parquet(counts).with_columns(
        correct=pl.col("counts").list.eval(pl.element().struct.field("correct")).list.sum(),
        size=pl.col("counts").list.eval(pl.element().struct.field("gold") + pl.element().struct.field("predicted"))
        .list.sum(),
    )  # fmt: skip
    rows = {}
    for (row,), of_row in frame.group_by("configuration", maintain_order=True):
        seeds = of_row["seed"].n_unique()
        n_sentences = of_row.height // seeds
        correct, size = (of_row[name].to_numpy().reshape(seeds, n_sentences) for name in ("correct", "size"))
        random = np.random.default_rng(SEED)
        resampled = []
        for _ in range(RESAMPLES):
            sentences = random.integers(0, n_sentences, n_sentences)
            drawn_seeds = random.integers(0, seeds, seeds)
            of_seeds = 2 * correct[:, sentences].sum(1) / np.maximum(size[:, sentences].sum(1), 1)
            resampled.append(of_seeds[drawn_seeds].mean())
        low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        f1 = (2 * correct.sum(1) / np.maximum(size.sum(1), 1)).mean()
        rows[str(row)] = (seeds * n_folds, 100 * float(f1), 100 * float(low), 100 * float(high))
    return rows


def read_points(path: Path = POINTS) -> list[Point]:
    """Read the points of a file."""
    kinds = {field.name: field.type for field in fields(Point)}
    convert = {"int": int, "float": float, "str": str}
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            Point(**{name: convert[str(kinds[name])](value) for name, value in row.items()})
            for row in csv.DictReader(stream)
        ]


def write_points(points: Iterable[Point], path: Path = POINTS) -> None:
    """Write the points, sorted: by data set, network and depth."""
    ordered = sorted(points, key=lambda point: (point.dataset, point.network, point.depth))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Point)], lineterminator="\n")
        writer.writeheader()
        for point in ordered:
            row = asdict(point)
            writer.writerow(
                {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in row.items()}
            )


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto front, fastest first: the points that no other point beats in both speed and F1."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (-point.speed, -point.f1)):
        if not best or point.f1 > best[-1].f1:
            best.append(point)
    return best


@dataclass(frozen=True, slots=True)
class FrontChart:
    """F1 over speed: one line per network, one point per depth, and the Pareto front."""

    dataset: str
    points: Sequence[Point]
    size: tuple[float, float] = (7.2, 4.4)

    @property
    def label(self) -> str:
        """What the chart shows."""
        return f"F1 against the speed of prediction on {self.dataset}"

    def draw(self, canvas: Canvas) -> None:
        """Draw the points with their intervals and depths, and the front as a broad band behind them."""
        axes = canvas.axes
        axes.set_xscale("log", base=2)
        of_front = front(self.points)
        axes.plot(
            [point.speed for point in of_front], [point.f1 for point in of_front],
            color=Colour.AMBER, linewidth=7, alpha=0.3, solid_capstyle="round", label="Pareto front",
        )  # fmt: skip
        networks = sorted({point.network for point in self.points}, key=[*COLOURS, *self._others()].index)
        for network in networks:
            of_network = sorted(
                (point for point in self.points if point.network == network), key=lambda point: point.depth
            )
            colour = COLOURS.get(network, Colour.GREY)
            xs, ys = [point.speed for point in of_network], [point.f1 for point in of_network]
            errors = [[point.f1 - point.low for point in of_network], [point.high - point.f1 for point in of_network]]
            name = network if network in COLOURS else None
            axes.errorbar(xs, ys, yerr=errors, fmt="-o", color=colour, elinewidth=0.8, capsize=2, label=name)
            for point in of_network:
                text = point.layers if network in COLOURS else f"{network}, {point.layers}"
                offset = LABEL_OFFSETS.get(network, (5, -11))
                axes.annotate(
                    text, (point.speed, point.f1), xytext=offset, textcoords="offset points",
                    ha="right" if offset[0] < 0 else "left", fontsize=SMALL, color=colour,
                )  # fmt: skip
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
        axes.grid(axis="y")
        axes.set(xlabel="speed of prediction, times BERT-CRF with 12 layers", ylabel=SCORES.get(self.dataset, "F1"))
        axes.set_title(f"{self.dataset}: the numbers are encoder layers")
        canvas.add_legend()

    def _others(self) -> list[str]:
        return sorted({point.network for point in self.points} - set(COLOURS))


def draw(points: Sequence[Point], folder: Path = PICTURES) -> None:
    """Write ``curve-DATASET.svg`` for each data set."""
    for dataset in sorted({point.dataset for point in points}):
        of_dataset = [point for point in points if point.dataset == dataset]
        save_chart(FrontChart(dataset, of_dataset), folder / f"curve-{dataset}.svg")


def read_speeds(path: Path) -> Mapping[str, float]:
    """Map each row to its speed as a multiple of the first run's, from lines ``NETWORK-LAYERS,TIMES``."""
    lines = path.read_text(encoding="utf-8").split()
    return {name: float(times) for name, times in (line.split(",") for line in lines)}


def add(dataset: str, counts: Sequence[Path], speeds: Path, *, n_folds: int, path: Path = POINTS) -> None:
    """Add the rows that ``speeds`` names to the points of ``path``, in place of those of the same network and depth."""
    points = {(point.dataset, point.network, point.layers): point for point in read_points(path)}
    rows = {row: figures for file in counts for row, figures in f1_of_rows(file, n_folds=n_folds).items()}
    for row, times in read_speeds(speeds).items():
        if row not in rows:
            raise SystemExit(f"{row}: no such row; the counts have {', '.join(rows)}")
        network, _, layers = row.rpartition("-")
        points[dataset, network, layers] = Point(dataset, network, layers, *rows[row], times)
    write_points(points.values(), path)


def main() -> None:
    """Add points with ``--add``, then draw all points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", metavar="DATASET")
    parser.add_argument("--counts", type=Path, nargs="*", default=[], help="counts.parquet of ablations over folds")
    parser.add_argument("--speeds", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="folds of the ablations; 1 for none")
    options = parser.parse_args()
    if options.add is not None:
        add(options.add, options.counts, options.speeds, n_folds=options.folds)
    draw(read_points())


if __name__ == "__main__":
    main()

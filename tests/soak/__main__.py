"""``make soak``: very many sentences through one ``predict``, and through one Python program with two threads.

Memory must stay as it is once it is warm, and the entities must be those that small batches give: every so-many-th
sentence is tagged again, seven at a time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import ssmi
from ssmi.charts.lines import Line, LineChart
from ssmi.charts.rendering import save_chart
from ssmi.charts.style import Colour
from tests.soak.memory import Course, python, watch
from tests.soak.texts import sentences
from tests.soak.threads import outputs

COMPARED = 2000
"""Sentences that are tagged again, spread over all."""
BATCH = 7
POINTS = 200
"""Of a line of the chart, about."""


@dataclass(frozen=True)
class Soaked:
    """What came of it."""

    n: int
    predict: Course
    threads: Course
    n_compared: int
    n_different: int


def soak(run: Path, files: Sequence[Path], n: int) -> Soaked:
    """Send ``n`` sentences through both."""
    with tempfile.TemporaryDirectory(prefix="ssmi-soak-") as name:
        folder = Path(name)
        text = folder / "text.txt"
        with text.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in sentences(files, n))
        size = text.stat().st_size
        out = folder / "out.jsonl"
        predict = watch(
            python("ssmi.cli.main", "predict", "--run", str(run), "--out", str(out), str(text)), n_bytes=size
        )
        # Each thread reads the whole file, and passes over the lines of the other.
        threads = watch(python("tests.soak.threads", str(run), str(text), str(folder)), n_bytes=2 * size)
        every = max(1, n // COMPARED)
        rows = zip(_texts(text), _of_predict(out), _of_threads(folder), strict=True)
        n_compared, n_different = compare(run, islice(rows, 0, None, every))
    return Soaked(n, predict, threads, n_compared, n_different)


def _texts(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from (line.rstrip("\n") for line in stream)


def _of_predict(path: Path) -> Iterator[list[dict[str, object]]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            yield [{key: one[key] for key in one if key != "score"} for one in json.loads(line)["entities"]]


def _of_threads(folder: Path) -> Iterator[list[dict[str, object]]]:
    streams = [path.open(encoding="utf-8") for path in outputs(folder)]
    try:
        for lines in zip_longest(*streams):
            yield from (json.loads(line) for line in lines if line is not None)
    finally:
        for stream in streams:
            stream.close()


def compare(run: Path, rows: Iterator[tuple[str, object, object]]) -> tuple[int, int]:
    """How many sentences are tagged again, and how many differ."""
    tagger, n, n_different = ssmi.open_run(run, threads=1), 0, 0
    while batch := list(islice(rows, BATCH)):
        for found, (_, predicted, by_threads) in zip(tagger([text for text, _, _ in batch]), batch, strict=True):
            again = [{"start": one.start, "end": one.end, "label": one.label, "text": one.text} for one in found]
            n, n_different = n + 1, n_different + (not again == predicted == by_threads)
    return n, n_different


def chart(result: Soaked) -> LineChart:
    """Memory over sentences, of both."""
    # A chart of some hundred points, however long it took.
    named = (("ssmi-cli predict", result.predict, Colour.BLUE), ("Python, two threads", result.threads, Colour.ORANGE))
    lines = []
    for name, course, colour in named:
        step = max(1, len(course.shares) // POINTS)
        at = [share * result.n for share in course.shares[::step]]
        lines.append(Line(name, at, course.megabytes[::step], colour, marker=""))
    return LineChart("soak", lines, x_label="sentences", y_label="resident memory, MB")


def main() -> int:
    """Say how memory went; the exit code says whether it grew or anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--plot", type=Path, help="SVG to write")
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    result = soak(arguments.run.resolve(), arguments.files, arguments.sentences)
    for name, course in (("predict", result.predict), ("two threads", result.threads)):
        print(
            f"{name}: {result.n:,} sentences, {max(course.megabytes):.0f} MB at most, "
            f"{100 * course.growth:+.1f} % from the first to the last third after the warm-up"
        )
    print(f"{result.n_compared:,} sentences in batches of {BATCH}: {result.n_different} differ")
    if arguments.plot:
        save_chart(chart(result), arguments.plot)
    return 0 if result.predict.is_flat and result.threads.is_flat and not result.n_different else 1


if __name__ == "__main__":
    sys.exit(main())

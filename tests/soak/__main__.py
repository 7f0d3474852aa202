"""``make soak``: send very many sentences through one ``predict``, and through one Python program with two threads.

Memory must not grow after the warm-up, and the entities must be those found in small batches: about 2,000 sentences,
evenly spread, are tagged again, seven at a time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import ssmi
from ssmi.charts.lines import Line, LineChart
from ssmi.charts.rendering import save_chart
from ssmi.charts.style import Colour
from tests.soak.memory import MAX_GROWTH, MemoryProfile, python, watch
from tests.soak.texts import read_lines, sentences

COMPARED = 2000
"""Approximate number of sentences that are tagged again, evenly spread."""
SAMPLES = 200
"""Approximate number of memory samples, evenly spread."""
BATCH = 7
PREDICT, THREADS = "ssmi-cli predict", "Python, two threads"

Entities = list[dict[str, object]]


@dataclass(frozen=True)
class SoakResult:
    """Results of one process: its memory, and the entities of the sentences to compare."""

    memory: MemoryProfile
    compared: Sequence[str]
    found: dict[str, Entities]


def soak(run: Path, lines: Sequence[str], n: int, *, seconds: float | None = None) -> dict[str, SoakResult]:
    """Send ``n`` sentences, or as many as fit in ``seconds``, through both commands, one after the other."""
    commands = {
        PREDICT: python("ssmi.cli.main", "predict", "--run", str(run), "-"),
        THREADS: python("tests.soak.threads", str(run)),
    }
    return {name: _soak(command, lines, n, seconds) for name, command in commands.items()}


def _soak(command: Sequence[str], lines: Sequence[str], n: int, seconds: float | None) -> SoakResult:
    step = max(1, n // COMPARED)
    compared = list(islice(sentences(lines, n), 0, None, step))
    compared_texts, found = set(compared), dict[str, Entities]()

    def keep(line: str) -> None:
        row = json.loads(line)
        if row["text"] in compared_texts:
            found[row["text"]] = [{key: one[key] for key in one if key != "score"} for one in row["entities"]]

    interval = max(1, n // SAMPLES)
    memory = watch(command, sentences(lines, n), every=interval, seconds=seconds, row=keep)
    return SoakResult(memory, compared[: -(-memory.n // step)], found)


def differing_sentences(run: Path, one: SoakResult) -> list[str]:
    """Return the compared sentences for which a small batch gives other entities."""
    tagger, different = ssmi.open_run(run, threads=1), []
    for start in range(0, len(one.compared), BATCH):
        batch = one.compared[start : start + BATCH]
        for text, entities in zip(batch, tagger(batch), strict=True):
            expected = [
                {"start": found.start, "end": found.end, "label": found.label, "text": found.text} for found in entities
            ]
            if one.found.get(text) != expected:
                different.append(text)
    return different


def chart(results: dict[str, SoakResult]) -> LineChart:
    """Chart of memory over sentences, for both commands."""
    colours = (Colour.BLUE, Colour.ORANGE)
    lines = [
        Line(name, list(one.memory.sentences), list(one.memory.megabytes), colour, marker="")
        for (name, one), colour in zip(results.items(), colours, strict=True)
    ]
    return LineChart("soak", lines, x_label="sentences", y_label="resident memory, MB")


def main() -> int:
    """Print the use of memory; the exit code is 1 if memory grew too much or entities differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, help="for each of the two; else all sentences, however long it takes")
    parser.add_argument("--plot", type=Path, help="SVG to write")
    parser.add_argument("files", type=Path, nargs="+", help="text, a sentence a line, plain or gzip; *.bmes*")
    arguments = parser.parse_args()
    run = arguments.run.resolve()
    results = soak(run, read_lines(arguments.files), arguments.sentences, seconds=arguments.seconds)
    if arguments.plot:
        save_chart(chart(results), arguments.plot)
    is_good = True
    for name, one in results.items():
        growth, different = one.memory.growth(), differing_sentences(run, one)
        is_good &= growth <= MAX_GROWTH and not different
        print(
            f"{name}: {one.memory.n:,} sentences, {max(one.memory.megabytes):.0f} MB at most, {100 * growth:+.1f} % "
            f"from the first to the last third after the warm-up; of {len(one.compared):,} with "
            f"{sum(map(len, one.found.values())):,} entities {len(different)} differ in batches of {BATCH}"
        )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

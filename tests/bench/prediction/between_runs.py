"""Tagging speed of several runs, compared: ``make bench-tagging RUNS="RUN RUN ..." FILES=texts.txt``.

Every run tags a piece of the text before the next piece is taken, so that a noisy machine slows all alike. CPU time is
measured, on one thread. The first pass is over new text (segments outside the vocabulary are embedded), the second over
the same text, whose segments are then known.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssmi import Tagger
from ssmi.model import hardware
from ssmi.pipeline.contract.progress import Silent
from ssmi.predict.garbage_collection import garbage_collection_paused
from tests.bench.prediction.texts import pieces_of, read_texts

PASSES = ("new text", "again")


@dataclass
class Side:
    """A run, and the CPU seconds of each piece, by pass."""

    name: str
    tagger: Tagger
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PASSES})

    def tag(self, piece: Sequence[str], *, pass_name: str) -> None:
        """Tag a piece and record the time."""
        start = time.process_time()
        for _ in self.tagger.stream(piece):
            pass
        self.seconds[pass_name].append(time.process_time() - start)


def main() -> None:
    """Open the runs, tag the text twice with each, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="the others are compared with the first")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    texts = [text for path in options.files for text in read_texts(path)]
    hardware.set_threads(1)
    sides = [Side(run.name, Tagger.open(run, device="cpu", threads=1, reporter=Silent())) for run in options.runs]
    for side in sides:
        side.tagger("㐀㐁㐂，")  # also opens the frozen encoder, which embeds unknown segments
    pieces = list(pieces_of(texts))
    with garbage_collection_paused():
        for name in PASSES:
            for piece in pieces:
                for side in sides:
                    side.tag(piece, pass_name=name)
    n_characters = sum(map(len, texts))
    print(f"{len(texts):,} texts, {n_characters:,} characters in {len(pieces)} pieces; CPU time, one thread")
    for name in PASSES:
        print(f"\n{name:24} {'characters a second':>20} {'times the first':>16}")
        for side in sides:
            ratio = _ratio(sides[0].seconds, side.seconds, pass_name=name)
            print(f"{side.name:24} {n_characters / sum(side.seconds[name]):20,.0f} {ratio:16.2f}")


def _ratio(first: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]], *, pass_name: str) -> float:
    """Speed of the other as a multiple of the first's: the median over pieces."""
    return statistics.median(a / b for a, b in zip(first[pass_name], other[pass_name], strict=True))


if __name__ == "__main__":
    main()

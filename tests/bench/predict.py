"""What tagging text costs beside the encoder alone: ``make bench-predict RUN=artifacts/train/sample FILES=texts.txt``.

The encoder's share is taken by a stopwatch around its forward pass within the very same run, batch by batch, so that a
noisy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.contract.progress import Silent
from ssmi import Tagger
from ssmi.reading import read_records

CALLS = 30


class Stopwatch:
    """Seconds that the calls of a module take."""

    def __init__(self, module: nn.Module) -> None:
        self.seconds = 0.0
        self._started = 0.0
        module.register_forward_pre_hook(self._start)
        module.register_forward_hook(self._stop)

    def _start(self, *_: Any) -> None:
        self._started = _now()

    def _stop(self, *_: Any) -> None:
        self.seconds += _now() - self._started


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Open a run, tag the texts twice, then one sentence over and over."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--run", type=Path, required=True)
    reader.add_argument("--device", default="auto")
    reader.add_argument("--threads", type=int, default=0, help="0: the physical cores")
    reader.add_argument("files", nargs="+", type=Path)
    options = reader.parse_args()
    texts = [text for path in options.files for text in _texts(path)]
    n_characters = sum(map(len, texts))
    start = time.perf_counter()
    tagger = Tagger.open(options.run, device=options.device, threads=options.threads, reporter=Silent())
    print(f"opened in {time.perf_counter() - start:.2f} s; {len(texts):,} texts, {n_characters:,} characters")
    encoder = tagger.network.encoder
    if encoder is None:
        raise SystemExit("this run has no encoder of its own (model.encoder is not finetune)")
    tagger("㐀㐁㐂，")  # opens the frozen encoder too, which embeds segments that nobody has met
    watch = Stopwatch(encoder)
    for title in ("new text", "the same text again"):
        watch.seconds = 0.0
        with _timed() as seconds:
            n_entities = sum(map(len, tagger.stream(texts)))
        counts = tagger.features.statistics()
        print(
            f"{title:20} {n_characters / seconds():8,.0f} characters a second, {n_entities:,} entities; "
            f"whole path / encoder alone {watch.seconds / seconds():.2f} of its throughput; "
            f"{counts.embedded:,} segments embedded so far"
        )
    shortest = sorted((text for text in texts if len(text) >= 20), key=len)[:CALLS] or texts[:1]
    for title, asked in (("a sentence met before", shortest[:1] * CALLS), ("sentences met before", shortest)):
        print(f"{title:20} {1000 * _median_call(tagger, asked):8.1f} ms a call, {len(asked[0])} characters or more")
    new = [f"{text[len(text) // 2 :]}{text[: len(text) // 2]}" for text in shortest]
    print(f"{'sentences turned over':20} {1000 * _median_call(tagger, new):8.1f} ms a call")


def _texts(path: Path) -> list[str]:
    with path.open("rb") as stream:
        kind = "jsonl" if path.suffix == ".jsonl" else "text"
        return [record.text for record in read_records(stream, name=str(path), kind=kind)]


def _median_call(tagger: Tagger, texts: list[str]) -> float:
    calls = []
    for text in texts:
        with _timed() as seconds:
            tagger(text)
        calls.append(seconds())
    return statistics.median(calls)


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    start = _now()
    end = [start]
    yield lambda: end[0] - start
    end[0] = _now()


if __name__ == "__main__":
    main()

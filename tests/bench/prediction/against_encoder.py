"""Cost of tagging relative to the encoder alone: ``make bench-predict RUN=artifacts/train/sample FILES=texts.txt``.

For each piece of the text, runs the whole path and then the encoder's forward pass alone on the same batches, so that a
noisy machine slows both alike. The encoder alone processes them in two ways: each batch on all threads, and one batch
per thread, as the whole path does on a CPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssmi import Tagger
from ssmi.model import hardware
from ssmi.model.text_tagging import parallel_map
from ssmi.pipeline.contract.progress import Silent
from ssmi.predict.garbage_collection import garbage_collection_paused
from tests.bench.prediction.texts import pieces_of, read_texts

CALLS = 30


class RecordingEncoder:
    """Records the calls of a module, to repeat them without the rest of the network."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._hook = module.register_forward_pre_hook(self._record, with_kwargs=True)

    def _record(self, _: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._calls.append((arguments, keywords))

    @torch.inference_mode()
    def _run(self, call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        self._module.forward(*call[0], **call[1])

    def repeat(self) -> tuple[float, float]:
        """Repeat the recorded calls; return seconds in sequence on all threads, and with one call per thread."""
        calls, self._calls = self._calls, []
        with _timed() as sequential:
            for call in calls:
                self._run(call)
        threads = torch.get_num_threads()
        if threads == 1 or torch.cuda.is_available():
            return sequential(), sequential()
        with _timed() as parallel:
            list(parallel_map(self._run, calls, n_items=len(calls), threads=threads))
        return sequential(), parallel()

    def stop(self) -> None:
        """Stop recording calls, and drop the recorded ones."""
        self._hook.remove()
        self._calls = []


def _synchronized_time() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Open a run, tag the texts twice, then time calls with single sentences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: the physical cores")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    texts = [text for path in options.files for text in read_texts(path)]
    start = time.perf_counter()
    with garbage_collection_paused():
        hardware.set_threads(options.threads)  # also applies to the encoder alone
        tagger = Tagger.open(options.run, device=options.device, reporter=Silent())
    print(
        f"opened in {time.perf_counter() - start:.2f} s, {torch.get_num_threads()} threads; "
        f"{len(texts):,} texts, {sum(map(len, texts)):,} characters"
    )
    if tagger.network.encoder is None:
        raise SystemExit("this run has no encoder of its own (model.encoder is not finetune)")
    tagger("㐀㐁㐂，")  # also opens the frozen encoder, which embeds unknown segments
    encoder = RecordingEncoder(tagger.network.encoder)
    for title in ("new text", "the same text again"):
        _throughput(title, tagger, encoder, texts)
    encoder.stop()
    shortest = sorted((text for text in texts if len(text) >= 20), key=len)[:CALLS] or texts[:1]
    for title, inputs in (("a sentence met before", shortest[:1] * CALLS), ("sentences met before", shortest)):
        print(f"{title:20} {1000 * _median_call(tagger, inputs):8.1f} ms a call, {len(inputs[0])} characters or more")
    rotated = [f"{text[len(text) // 2 :]}{text[: len(text) // 2]}" for text in shortest]
    print(f"{'sentences turned over':20} {1000 * _median_call(tagger, rotated):8.1f} ms a call")


def _throughput(title: str, tagger: Tagger, encoder: RecordingEncoder, texts: Sequence[str]) -> None:
    total, ratios = 0.0, []
    n_entities = 0
    before = tagger.features.statistics().embedded
    for piece in pieces_of(texts):
        with _timed() as seconds:
            n_entities += sum(map(len, tagger.stream(piece)))
        total += seconds()
        ratios.append([alone / seconds() for alone in encoder.repeat()])
    print(
        f"{title:20} {sum(map(len, texts)) / total:8,.0f} characters a second, {n_entities:,} entities, "
        f"{tagger.features.statistics().embedded - before:,} segments embedded"
    )
    for mode, ratios_of_mode in zip(
        ("a batch on all threads", "a batch a thread"), zip(*ratios, strict=True), strict=True
    ):
        print(
            f"{'':20} {statistics.median(ratios_of_mode):8.2f} of the encoder's throughput alone, {mode} "
            f"({min(ratios_of_mode):.2f} to {max(ratios_of_mode):.2f} over {len(ratios_of_mode)} pieces)"
        )


def _median_call(tagger: Tagger, texts: list[str]) -> float:
    calls = []
    for text in texts:
        with _timed() as seconds:
            tagger(text)
        calls.append(seconds())
    return statistics.median(calls)


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    start = _synchronized_time()
    end = [start]
    yield lambda: end[0] - start
    end[0] = _synchronized_time()


if __name__ == "__main__":
    main()

"""Entities with their probabilities, from feature rows that were made on line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ssmi.model import hardware
from ssmi.model.data.batches import collate, evaluation_batches
from ssmi.model.data.boundaries import ExpandableIndex, FloatMatrix, Ids
from ssmi.model.data.shards import Split, split_of
from ssmi.model.network.decoding import decode
from ssmi.model.network.network import Network, wanted
from ssmi.model.runs.checkpoint import Checkpoint
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.progress import Advance

MOST_STRANGERS = 100_000
"""Boundaries that training never met and that are kept in the table; with more, the next call starts again from the
trained ones."""
TAGGING_BATCH = 24
"""Texts at once; small, so that there is work for every thread."""
TRIM_EVERY = 1 << 16
"""Characters after which freed memory is given back: in between it grows by some hundred megabytes."""

Item = TypeVar("Item")
Found = TypeVar("Found")
Row = Mapping[str, Any]
Vectors = Callable[[Ids], FloatMatrix]
"""Boundary ids → their pre-trained vectors."""


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """An entity of the best tag sequence, and how probable it is over all of them."""

    span: Span
    probability: float
    asked: bool = False
    """It was asked about, and is no entity of the best tag sequence unless it stands there a second time."""


class SpanTagger:
    """A checkpoint's network at work on rows of ``schema.SHARDS`` without gold; for any number of threads.

    Its table grows and is shared, so they take turns. The same rows get the same scores to the bit from whichever
    thread, for torch uses ``threads`` in each of them.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, vectors: Vectors, device: str = "auto", threads: int | None = None
    ) -> None:
        """``vectors`` gives those of boundaries that training never met.

        threads: of the CPU while it tags, 0 for one a physical core; None takes torch's number of now.

        Raises ParameterError or MissingResourceError for a device that is not there.
        """
        self._device = hardware.choose_device(device)
        self.threads = hardware.physical_cores() if threads == 0 else threads or torch.get_num_threads()
        self.labels: LabelSet = checkpoint.labels
        self._precision = checkpoint.params.train.precision
        self.wanted = wanted(checkpoint.params.model)
        self.network: Network = checkpoint.network.to(self._device).eval()
        self._boundaries = ExpandableIndex(checkpoint.boundaries)
        self._vectors = vectors
        self._since_trim = 0

    def tag(
        self,
        lengths: Ids,
        rows_of: Callable[[Sequence[int]], Sequence[Row]],
        *,
        hidden: Sequence[npt.NDArray[np.float16]] | None = None,
        advance: Advance | None = None,
        asked: Sequence[Sequence[Span]] | None = None,
    ) -> list[list[TaggedSpan]]:
        """The entities of each text, in order.

        lengths: characters of each text. Shape: (n_texts,)
        rows_of: the rows of some of the texts, asked for batch by batch, of this thread, while others are tagged.
        hidden: the encoder's states of each text, where ``wanted`` says so.
        advance: told of the characters of every batch that is done; other threads wait meanwhile.
        asked: spans of each text whose probabilities are wanted too; they come after its entities.

        On a CPU batches are tagged side by side, each on one thread, for little of what follows the encoder is worth
        sharing out. Where there are fewer than threads each has all of them in its turn: with some threads each they
        would set BLAS's number, which is the process's, under one another, and sums would come out otherwise.
        """
        with self.turn():
            return self._tag_all(lengths, rows_of, hidden, advance, asked)

    def turn(self) -> AbstractContextManager[None]:
        """A turn of the calling thread's, with ``threads`` for torch: what ``tag`` takes, to be held for longer."""
        return hardware.turn_on(self.threads)

    def _tag_all(
        self,
        lengths: Ids,
        rows_of: Callable[[Sequence[int]], Sequence[Row]],
        hidden: Sequence[npt.NDArray[np.float16]] | None,
        advance: Advance | None,
        asked: Sequence[Sequence[Span]] | None,
    ) -> list[list[TaggedSpan]]:
        if self._boundaries.n_strangers > MOST_STRANGERS:
            self._boundaries.forget()
        # The longest first: what is left at the end, when not all threads have work, is short.
        batches = [batch.tolist() for batch in evaluation_batches(lengths, batch_size=TAGGING_BATCH)[::-1]]
        splits = (
            (self._split(rows_of(batch), batch, hidden), [asked[place] if asked else () for place in batch])
            for batch in batches
        )
        if len(batches) < self.threads or self.threads == 1 or self._device.type != "cpu":
            tagged: Iterable[list[list[TaggedSpan]]] = map(self._tag, splits)
        else:
            tagged = side_by_side(self._tag, splits, n_items=len(batches), threads=self.threads)
        found: list[list[TaggedSpan]] = [[] for _ in lengths]
        for batch, spans in zip(batches, tagged, strict=True):
            for place, own in zip(batch, spans, strict=True):
                found[place] = own
            if advance is not None:
                advance(int(lengths[batch].sum()))
        self._since_trim += int(lengths.sum())
        if self._since_trim > TRIM_EVERY:
            hardware.give_back_memory()
            self._since_trim = 0
        return found

    def _split(
        self, rows: Sequence[Row], batch: Sequence[int], hidden: Sequence[npt.NDArray[np.float16]] | None
    ) -> Split:
        """The rows of a batch, whose boundaries the network then knows."""
        self._meet(rows)
        states = None if hidden is None else [hidden[place] for place in batch]
        return split_of(rows, boundaries=self._boundaries, wanted=self.wanted, hidden=states)

    def _tag(self, given: tuple[Split, Sequence[Sequence[Span]]]) -> list[list[TaggedSpan]]:
        """The entities of each row of a batch, and what was asked about it."""
        split, asked = given
        n_rows = len(split.lengths)
        decoded = decode(
            self.network,
            collate(split, np.arange(n_rows)).to(self._device),
            labels=self.labels,
            precision=self._precision,
            kinds=[split.kinds_of(row) for row in range(n_rows)],
            probabilities=True,
            asked=asked,
        )
        assert decoded.probabilities is not None
        return [
            [
                TaggedSpan(span, score, index >= len(own))
                for index, (span, score) in enumerate(zip((*own, *more), scores, strict=True))
            ]
            for own, more, scores in zip(decoded.spans, asked, decoded.probabilities, strict=True)
        ]

    @torch.inference_mode()
    def _meet(self, rows: Sequence[Row]) -> None:
        """Make room in the table for boundaries that it does not hold yet."""
        if self.network.boundary is None:
            return
        ids: set[int] = set()
        for row in rows:
            ids.update(row["best_ids"], row["local_ids"], chain.from_iterable(row["set_ids"]))
        ids.discard(0)
        met = np.fromiter(ids, dtype=np.int64, count=len(ids))
        strangers = self._boundaries.lacks(met)
        if not strangers.size:
            return
        start = self._boundaries.admit(strangers)
        self.network.boundary.put(start, torch.from_numpy(self._vectors(strangers)))


def side_by_side(
    work: Callable[[Item], Found], items: Iterable[Item], *, n_items: int, threads: int
) -> Iterator[Found]:
    """``map`` on so many threads, shared out evenly; items are made in the calling thread."""
    n_workers = min(n_items, threads)
    pool = ThreadPoolExecutor(
        n_workers, thread_name_prefix="tag", initializer=torch.set_num_threads, initargs=(threads // n_workers,)
    )
    try:
        futures = [pool.submit(work, item) for item in items]
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a thread of the pool sets counts for threads to come

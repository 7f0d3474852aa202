"""Entities with their probabilities, from feature rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
import torch

from ssmi.model import hardware
from ssmi.model.data.batches import collate, evaluation_batches
from ssmi.model.data.boundaries import ExpandableIndex, FloatMatrix, Ids
from ssmi.model.data.features.boundary_roles import WordsOf
from ssmi.model.data.online_rows import split_of
from ssmi.model.data.split import Split
from ssmi.model.network.decoding import decode
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import wanted
from ssmi.model.runs.checkpoint.checkpoint import Checkpoint
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates, FeatureRow
from ssmi.pipeline.contract.progress import Advance

MAX_NEW_BOUNDARIES = 100_000
"""Boundaries outside training that the table keeps; beyond that the next call starts again from the trained ones."""
TAGGING_BATCH = 24
"""Texts at once; small, so that there is work for every thread."""
TRIM_EVERY = 1 << 16
"""Characters after which freed memory is given back: in between it grows by some hundred megabytes."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Vectors = Callable[[Ids], FloatMatrix]
"""Boundary ids → their pre-trained vectors."""


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """An entity that the network finds, and how probable it is (``Decoded.probabilities``)."""

    span: Span
    probability: float
    extra: bool = False
    """It is one of ``extra_spans``, and not an entity that the network finds unless it is listed a second time."""


class SpanTagger:
    """A checkpoint's network on rows of ``schema.SHARDS`` without gold; for any number of threads.

    Threads take turns, because they share a boundary table that grows. The same rows get the same scores, to the bit,
    in any of them, because torch uses ``threads`` in each.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        vectors: Vectors,
        words_of: WordsOf,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        """Move the network to its device.

        Args:
            checkpoint: The network and its parameters.
            vectors: Gives the vectors of boundaries that were not in training.
            words_of: Gives the words of boundaries.
            device: As ``hardware.choose_device`` takes it.
            threads: CPU threads while it tags, 0 for one a physical core; None takes torch's present number.

        Raises:
            ParameterError: The device has no such name.
            MissingResourceError: The device is not there.

        """
        self._device = hardware.choose_device(device)
        self.threads = hardware.physical_cores() if threads == 0 else threads or torch.get_num_threads()
        self.labels: LabelSet = checkpoint.labels
        self._precision = checkpoint.params.train.precision
        self.wanted = wanted(checkpoint.params.model)
        self.network: Network = checkpoint.network.to(self._device).eval()
        self._boundaries = ExpandableIndex(checkpoint.boundaries)
        self._vectors = vectors
        self._words_of = words_of
        self._since_trim = 0

    def tag(
        self,
        lengths: Ids,
        rows_of: Callable[[Sequence[int]], Sequence[FeatureRow]],
        *,
        hidden: Sequence[EncoderStates] | None = None,
        advance: Advance | None = None,
        extra_spans: Sequence[Sequence[Span]] | None = None,
    ) -> list[list[TaggedSpan]]:
        """The entities of texts.

        On a CPU batches are tagged side by side, each on one thread, because little of what follows the encoder gets
        faster with more. Where there are fewer batches than threads, they go one after the other on all threads: with
        some threads each they would change BLAS's number, which is the process's, under one another, and sums would
        be rounded differently.

        Args:
            lengths: Characters of each text. Shape: (n_texts,)
            rows_of: Gives the rows of some of the texts; called batch by batch, in this thread, while others are
                tagged.
            hidden: The encoder's states of each text, where ``wanted`` has them.
            advance: Told of the characters of every batch that is done; other threads wait meanwhile.
            extra_spans: Spans of each text whose probabilities are wanted too.

        Returns:
            The entities of each text in its order, then its extra spans.

        """
        with self.turn():
            return self._tag_all(lengths, rows_of, hidden, advance, extra_spans)

    def turn(self) -> AbstractContextManager[None]:
        """A turn of the calling thread, with ``threads`` for torch; ``tag`` takes one, callers may hold it longer."""
        return hardware.turn_on(self.threads)

    def _tag_all(
        self,
        lengths: Ids,
        rows_of: Callable[[Sequence[int]], Sequence[FeatureRow]],
        hidden: Sequence[EncoderStates] | None,
        advance: Advance | None,
        extra_spans: Sequence[Sequence[Span]] | None,
    ) -> list[list[TaggedSpan]]:
        # Only before the first batch: rows that were given to a batch must keep their meaning until it is tagged.
        if self._boundaries.n_new > MAX_NEW_BOUNDARIES:
            self._boundaries.reset()
        # The longest first: what is left at the end, when not all threads have work, is short.
        batches = [batch.tolist() for batch in evaluation_batches(lengths, batch_size=TAGGING_BATCH)[::-1]]
        splits = (
            (self._split(rows_of(batch), batch, hidden), [extra_spans[index] if extra_spans else () for index in batch])
            for batch in batches
        )
        if len(batches) < self.threads or self.threads == 1 or self._device.type != "cpu":
            tagged: Iterable[list[list[TaggedSpan]]] = map(self._tag, splits)
        else:
            tagged = side_by_side(self._tag, splits, n_items=len(batches), threads=self.threads)
        spans_of_texts: list[list[TaggedSpan]] = [[] for _ in lengths]
        for batch, spans in zip(batches, tagged, strict=True):
            for index, spans_of_text in zip(batch, spans, strict=True):
                spans_of_texts[index] = spans_of_text
            if advance is not None:
                advance(int(lengths[batch].sum()))
        self._since_trim += int(lengths.sum())
        if self._since_trim > TRIM_EVERY:
            hardware.give_back_memory()
            self._since_trim = 0
        return spans_of_texts

    def _split(self, rows: Sequence[FeatureRow], batch: Sequence[int], hidden: Sequence[EncoderStates] | None) -> Split:
        """The rows of a batch, whose boundaries the network then has."""
        self._add_boundaries(rows)
        states = None if hidden is None else [hidden[index] for index in batch]
        return split_of(rows, boundaries=self._boundaries, wanted=self.wanted, hidden=states, words_of=self._words_of)

    def _tag(self, batch: tuple[Split, Sequence[Sequence[Span]]]) -> list[list[TaggedSpan]]:
        """The entities of each row of a batch, then its extra spans."""
        split, extra_spans = batch
        n_rows = len(split.lengths)
        decoded = decode(
            self.network,
            collate(split, np.arange(n_rows)).to(self._device),
            labels=self.labels,
            precision=self._precision,
            kinds=[split.kinds_of(row) for row in range(n_rows)],
            probabilities=True,
            extra_spans=extra_spans,
        )
        assert decoded.probabilities is not None
        return [
            [
                TaggedSpan(span, score, extra=index >= len(entities))
                for index, (span, score) in enumerate(zip((*entities, *extra), scores, strict=True))
            ]
            for entities, extra, scores in zip(decoded.spans, extra_spans, decoded.probabilities, strict=True)
        ]

    @torch.inference_mode()
    def _add_boundaries(self, rows: Sequence[FeatureRow]) -> None:
        """Add the vectors of boundaries that the table does not hold yet."""
        if self.network.boundary is None:
            return
        ids: set[int] = set()
        for row in rows:
            ids.update(row["best_ids"], row["local_ids"], chain.from_iterable(row["set_ids"]))
            if self.wanted.matches:
                ids.update(row["match_ids"] or ())
        ids.discard(0)
        new = self._boundaries.lacks(np.fromiter(ids, dtype=np.int64, count=len(ids)))
        if not new.size:
            return
        start = self._boundaries.add(new)
        self.network.boundary.set_rows(start, torch.from_numpy(self._vectors(new)))


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, n_items: int, threads: int
) -> Iterator[Result]:
    """``map`` on several threads.

    Args:
        work: What is done with each item.
        items: Made in the calling thread, while earlier ones are worked on.
        n_items: How many there are.
        threads: CPU threads for all of them together; each worker's torch gets an equal share.

    Yields:
        The results, in the order of the items.

    """
    n_workers = min(n_items, threads)
    pool = ThreadPoolExecutor(
        n_workers, thread_name_prefix="tag", initializer=torch.set_num_threads, initargs=(threads // n_workers,)
    )
    try:
        futures = [pool.submit(work, item) for item in items]
        for future in futures:
            yield future.result()
    finally:
        # After an error, or where the caller reads no further, what has not begun is dropped.
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a thread of the pool sets counts for threads to come

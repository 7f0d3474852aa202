"""Tag text: entities with their probabilities, from feature rows."""

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
from ssmi.model.network.requirements import required_features
from ssmi.model.runs.checkpoint.checkpoint import Checkpoint
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates, FeatureRow
from ssmi.pipeline.contract.progress import Advance

MAX_NEW_BOUNDARIES = 100_000
"""Boundaries outside training that the table keeps; above this, the next call resets it to the trained ones."""
TAGGING_BATCH = 24
"""Texts per batch; small, so that there is work for every thread."""
TRIM_EVERY = 1 << 16
"""Characters between returns of freed memory to the system, during which it grows by some hundred megabytes."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Vectors = Callable[[Ids], FloatMatrix]
"""Boundary ids → their pre-trained vectors."""


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """An entity with its probability (``Decoded.probabilities``)."""

    span: Span
    probability: float
    extra: bool = False
    """Whether it is one of ``extra_spans``; the network found it only if it is also listed with ``extra`` False."""


class SpanTagger:
    """Tags feature rows (``schema.SHARDS`` without gold) with a checkpoint's network; safe to use from several threads.

    Calling threads take turns, because they share a boundary table that grows. Equal rows get bit-identical scores in
    every thread, because torch uses the same number of ``threads`` in each.
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
            vectors: Function that gives the vectors of boundaries that were not in training.
            words_of: Function that gives the words of boundaries.
            device: A device name for ``hardware.choose_device``.
            threads: Number of CPU threads for tagging, 0 for one per physical core; None for torch's current number.

        Raises:
            ParameterError: No device has this name.
            MissingResourceError: The device does not exist.

        """
        self._device = hardware.choose_device(device)
        self.threads = hardware.physical_cores() if threads == 0 else threads or torch.get_num_threads()
        self.labels: LabelSet = checkpoint.labels
        self._precision = checkpoint.params.train.precision
        self.required = required_features(checkpoint.params.model)
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
        """Return the entities of texts.

        On a CPU batches are tagged in parallel, each on one thread, because little after the encoder gets faster with
        more threads. If there are fewer batches than threads, they are tagged in sequence on all threads: with several
        threads per batch, concurrent batches would change the number of BLAS threads, which is global to the process,
        and sums would be rounded differently.

        Args:
            lengths: Characters of each text. Shape: (n_texts,)
            rows_of: Function that gives the rows of some of the texts; called per batch, in this thread, while other
                batches are tagged.
            hidden: The encoder's states of each text; required if ``required.hidden``.
            advance: Called with the number of characters of every finished batch, while holding the turn.
            extra_spans: Further spans of each text to compute probabilities for.

        Returns:
            The entities of each text in text order, followed by its extra spans.

        """
        with self.locked():
            return self._tag_all(lengths, rows_of, hidden, advance, extra_spans)

    def locked(self) -> AbstractContextManager[None]:
        """Return a context that holds the turn, with ``threads`` for torch; callers of ``tag`` may hold it longer."""
        return hardware.locked_threads(self.threads)

    def _tag_all(
        self,
        lengths: Ids,
        rows_of: Callable[[Sequence[int]], Sequence[FeatureRow]],
        hidden: Sequence[EncoderStates] | None,
        advance: Advance | None,
        extra_spans: Sequence[Sequence[Span]] | None,
    ) -> list[list[TaggedSpan]]:
        # Only before the first batch, because rows assigned to a batch must stay valid until it is tagged.
        if self._boundaries.n_new > MAX_NEW_BOUNDARIES:
            self._boundaries.reset()
        # Longest first, so that the batches at the end, when some threads are idle, are short.
        batches = [batch.tolist() for batch in evaluation_batches(lengths, batch_size=TAGGING_BATCH)[::-1]]
        splits = (
            (self._split(rows_of(batch), batch, hidden), [extra_spans[index] if extra_spans else () for index in batch])
            for batch in batches
        )
        if len(batches) < self.threads or self.threads == 1 or self._device.type != "cpu":
            tagged: Iterable[list[list[TaggedSpan]]] = map(self._tag, splits)
        else:
            tagged = parallel_map(self._tag, splits, n_items=len(batches), threads=self.threads)
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
        """Convert the rows of a batch into a split, adding their boundaries to the network."""
        self._add_boundaries(rows)
        states = None if hidden is None else [hidden[index] for index in batch]
        return split_of(
            rows, boundaries=self._boundaries, required=self.required, hidden=states, words_of=self._words_of
        )

    def _tag(self, batch: tuple[Split, Sequence[Sequence[Span]]]) -> list[list[TaggedSpan]]:
        """Return the entities of each row of a batch, followed by its extra spans."""
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
        """Add the vectors of the rows' boundaries that are not in the table yet."""
        if self.network.boundary is None:
            return
        ids: set[int] = set()
        for row in rows:
            ids.update(row["best_ids"], row["local_ids"], chain.from_iterable(row["set_ids"]))
            if self.required.matches:
                ids.update(row["match_ids"] or ())
        ids.discard(0)
        new = self._boundaries.missing(np.fromiter(ids, dtype=np.int64, count=len(ids)))
        if not new.size:
            return
        start = self._boundaries.add(new)
        self.network.boundary.set_rows(start, torch.from_numpy(self._vectors(new)))


def parallel_map(
    work: Callable[[Item], Result], items: Iterable[Item], *, n_items: int, threads: int
) -> Iterator[Result]:
    """Apply a function to items on several threads, like ``map``.

    Args:
        work: The function to apply.
        items: The items, which are generated in the calling thread while earlier ones are processed.
        n_items: Number of items.
        threads: CPU threads for all workers together; torch gets an equal share in each.

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
        # After an error, or if the caller stops reading, pending items are dropped.
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # a number set in the pool would apply to new threads

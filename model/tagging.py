"""Entities with their probabilities, from feature rows that were made on line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model import hardware
from model.batches import EVALUATION_BATCH, collate, evaluation_batches
from model.boundaries import FloatMatrix, GrowingTable, Ids
from model.checkpoint import Checkpoint
from model.data import split_of
from model.network import Network, wanted
from pipeline.contract.labels import LabelSet, Span, strict_spans

MOST_STRANGERS = 100_000
"""Boundaries that training never met and that are kept in the table; beyond, it starts again from the trained ones."""

Row = Mapping[str, Any]
Vectors = Callable[[Ids], FloatMatrix]
"""Boundary ids → their pre-trained vectors."""


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """An entity of the best tag sequence, and how probable it is over all of them."""

    span: Span
    probability: float


class SpanTagger:
    """A checkpoint's network at work on rows of ``schema.SHARDS`` without gold."""

    def __init__(
        self, checkpoint: Checkpoint, *, vectors: Vectors, device: str = "auto", threads: int | None = None
    ) -> None:
        """``vectors`` gives those of boundaries that training never met; threads: None leaves torch's as they are.

        Raises ParameterError or MissingResourceError for a device that is not there.
        """
        self._device = hardware.choose_device(device)
        if threads is not None:
            hardware.set_threads(threads)
        self.labels: LabelSet = checkpoint.labels
        self._precision = checkpoint.params.train.precision
        self.wanted = wanted(checkpoint.params.model)
        self.network: Network = checkpoint.network.to(self._device).eval()
        self._boundaries = GrowingTable(checkpoint.boundaries)
        self._vectors = vectors

    @torch.inference_mode()
    def tag(
        self, rows: Sequence[Row], *, hidden: Sequence[npt.NDArray[np.float16]] | None = None
    ) -> list[list[TaggedSpan]]:
        """The entities of each row, in order. hidden: the encoder's states of each, where ``wanted`` says so."""
        self._meet(rows)
        split = split_of(rows, boundaries=self._boundaries, wanted=self.wanted, hidden=hidden)
        found: list[list[TaggedSpan]] = [[] for _ in rows]
        for batch_rows in evaluation_batches(split.lengths, batch_size=EVALUATION_BATCH):
            batch = collate(split, batch_rows).to(self._device)
            with hardware.autocast(self._device, self._precision):
                emissions = self.network.emissions(batch)
            paths = self.network.crf.decode(emissions, mask=batch.mask)
            spans = [self._spans(path) for path in paths]
            probabilities = self.network.crf.span_probabilities(emissions, mask=batch.mask, spans=spans)
            for row, own, scores in zip(batch_rows.tolist(), spans, probabilities, strict=True):
                found[row] = [TaggedSpan(span, score) for span, score in zip(own, scores, strict=True)]
        return found

    def _spans(self, path: Sequence[int]) -> list[Span]:
        names = self.labels.tags
        return strict_spans([names[tag_id] for tag_id in path], scheme=self.labels.scheme)[0]

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
        if self._boundaries.n_strangers + len(strangers) > MOST_STRANGERS:
            self._boundaries.forget()
            strangers = self._boundaries.lacks(met)
        start = self._boundaries.admit(strangers)
        self.network.boundary.put(start, torch.from_numpy(self._vectors(strangers)))

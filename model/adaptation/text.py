"""The text for adapting an encoder: the train and dev sentences of shards, never test, with a held-out part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssmi.model.data.batches import EVALUATION_BATCH, evaluation_batches, training_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import Shards, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.pipeline.contract.errors import InputDataError

SPLITS = ("train", "dev")
HELD_OUT = 0.05
"""Share of the distinct sentences that are held out for measuring."""
_ORDER = 1
"""Seed component of the batch order, which keeps its draw apart from the other draws of an epoch."""


class TextRows(NamedTuple):
    """The sentences of a split that form one batch."""

    split: Split
    rows: Ids


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences to train on and held-out sentences to measure with.

    Attributes:
        splits: The splits named in ``SPLITS``.
        held_out: For each split, whether each sentence is held out. Shape of each: (n_sentences,)
        digest: sha256 of all sentence offsets, token ids and segment positions, in order.

    """

    splits: Sequence[Split]
    held_out: Sequence[npt.NDArray[np.bool_]]
    digest: str

    def training_batches(self, *, batch_size: int, seed: int, epoch: int) -> list[TextRows]:
        """Return the batches of an epoch: every training sentence once, in an order set by the arguments alone."""
        batches = [
            TextRows(split, rows)
            for split, held in zip(self.splits, self.held_out, strict=True)
            for rows in training_batches(_lengths(split, ~held), batch_size=batch_size, seed=seed, epoch=epoch)
        ]
        order = np.random.default_rng([seed, epoch, _ORDER]).permutation(len(batches))
        return [batches[index] for index in order.tolist()]

    def held_out_batches(self) -> list[TextRows]:
        """Return the batches of all held-out sentences."""
        return [
            TextRows(split, rows)
            for split, held in zip(self.splits, self.held_out, strict=True)
            for rows in evaluation_batches(_lengths(split, held), batch_size=EVALUATION_BATCH)
        ]

    @property
    def n_held_out(self) -> int:
        """The number of held-out sentences."""
        return int(sum(held.sum() for held in self.held_out))

    @property
    def n_sentences(self) -> int:
        """The number of non-empty training sentences."""
        return sum(int((_lengths(*pair) > 0).sum()) for pair in self._learned)

    @property
    def n_characters(self) -> int:
        """The number of characters in the training sentences."""
        return sum(int(_lengths(*pair).sum()) for pair in self._learned)

    @property
    def _learned(self) -> Iterator[tuple[Split, npt.NDArray[np.bool_]]]:
        yield from zip(self.splits, (~held for held in self.held_out), strict=True)


def read_text(shards: Shards, *, seed: int) -> Text:
    """Read the sentences of train and dev and draw the held-out ones.

    Copies of the same sentence are all held out or all trained on, so that memorised sentences are never measured.

    Args:
        shards: The opened shards.
        seed: Seed of the draw.

    Raises:
        InputDataError: There are fewer than two distinct sentences.
        StaleArtifactError: See ``read_split``.

    """
    required = RequiredFeatures(segment_positions=True)
    splits = [read_split(shards, name, boundaries=shards.boundaries, required=required) for name in SPLITS]
    keys = [_keys(split) for split in splits]
    # Sorted, so that the draw does not depend on the iteration order of a set.
    different = sorted({key for own in keys for key in own if key})
    if len(different) < 2:  # one to train on, one to measure with
        raise InputDataError(
            f"{shards.folder}: {len(different)} different sentences in train and dev, too few to learn from some and "
            "measure with others",
            next_step="give more text",
        )
    n_held_out = max(1, round(HELD_OUT * len(different)))
    drawn = np.random.default_rng(seed).permutation(len(different))[:n_held_out]
    chosen = {different[index] for index in drawn.tolist()}
    held_out = [np.array([key in chosen for key in own], dtype=bool) for own in keys]
    return Text(splits, held_out, _digest(splits))


def _keys(split: Split) -> list[bytes]:
    """Return a key for each sentence that is equal for equal sentences only."""
    return [
        split.token_ids[start:end].tobytes()
        for start, end in zip(split.offsets[:-1].tolist(), split.offsets[1:].tolist(), strict=True)
    ]


def _digest(splits: Sequence[Split]) -> str:
    digest = hashlib.sha256()
    for split in splits:
        assert split.segment_positions is not None
        for values in (split.offsets, split.token_ids, split.segment_positions):
            # A fixed type and byte order, so that a text has the same digest on every machine.
            digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return digest.hexdigest()


def _lengths(split: Split, included: npt.NDArray[np.bool_]) -> Ids:
    """Characters of each included sentence, and 0 for the others, which keeps them out of every batch."""
    return np.where(included, split.lengths, 0)

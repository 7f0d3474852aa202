"""The sentences that a network trains on: a whole split in memory, or its parts streamed from disk.

When streaming, the seed and the epoch number decide the order of the parts. Parts are read together in buffers of at
least ``train.stream_buffer`` sentences (the last may have fewer); the sentences of a buffer are shuffled and cut into
batches like those of a whole split. The next buffer is read while the current one is trained on. Only two numbers per
sentence grow with the data: its length and its place in the epoch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from ssmi.model.data.batches import Batch, prefetch, shuffled_batches, training_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import Shards, read_parts
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.parquet.schema import SHARDS


class TrainingData(Protocol):
    """Training sentences and their batches."""

    @property
    def lengths(self) -> npt.NDArray[np.integer]:
        """Characters of each sentence. Shape: (n_sentences,)."""
        ...

    @property
    def largest_token_id(self) -> int:
        """The largest token id of all sentences."""
        ...

    @property
    def longest_entity(self) -> int:
        """Characters of the longest entity; 0 if no sentence has an entity."""
        ...

    def word_counts(self, *, n_rows: int) -> Ids | None:
        """Return ``Matches.counts`` over all sentences; None if no matches are read."""
        ...

    def batches(self, *, batch_size: int, seed: int, epoch: int) -> list[Ids]:
        """Return the batches of an epoch: every non-empty sentence once, decided by the arguments alone."""
        ...

    def collated(
        self, batches: Sequence[Ids], *, seed: int, epoch: int, device: torch.device
    ) -> Generator[Batch, None, None]:
        """Yield the tensors of an epoch's batches, all or the last ones, in order; close it to stop early."""
        ...


@dataclass(frozen=True, slots=True)
class WholeSplit:
    """A split in memory."""

    split: Split

    @property
    def lengths(self) -> Ids:
        """See TrainingData."""
        return self.split.lengths

    @property
    def largest_token_id(self) -> int:
        """See TrainingData."""
        return int(self.split.token_ids.max(initial=0))

    @property
    def longest_entity(self) -> int:
        """See TrainingData."""
        return max((span.end - span.start for spans in self.split.gold for span in spans), default=0)

    def word_counts(self, *, n_rows: int) -> Ids | None:
        """See TrainingData."""
        return None if self.split.matches is None else self.split.matches.counts(n_rows=n_rows)

    def batches(self, *, batch_size: int, seed: int, epoch: int) -> list[Ids]:
        """See TrainingData."""
        return training_batches(self.split.lengths, batch_size=batch_size, seed=seed, epoch=epoch)

    def collated(
        self, batches: Sequence[Ids], *, seed: int, epoch: int, device: torch.device
    ) -> Generator[Batch, None, None]:
        """See TrainingData."""
        return prefetch(self.split, batches, device=device)


@dataclass(frozen=True, slots=True)
class StreamedSplit:
    """A split on disk, whose sentences are numbered through its parts.

    Attributes:
        shards: The shards that hold the split.
        paths: The parts of the split.
        required: The features that the network reads.
        buffer: Sentences that are shuffled together. Memory holds two buffers, each up to one part larger than this.
        lengths: Characters of each sentence. Shape: (n_sentences,)
        offsets: The first sentence of each part, and the end. Shape: (n_parts + 1,)
        largest_token_id: The largest token id of all sentences.
        longest_entity: Characters of the longest entity; 0 if no sentence has an entity.

    """

    shards: Shards
    paths: Sequence[Path]
    required: RequiredFeatures
    buffer: int
    lengths: npt.NDArray[np.int32]
    offsets: Ids
    largest_token_id: int
    longest_entity: int

    @classmethod
    def open(cls, shards: Shards, split: str, *, required: RequiredFeatures, buffer: int) -> StreamedSplit:
        """Read the parts of a split once, for sentence lengths, the largest token id and the longest entity.

        Raises:
            StaleArtifactError: A part is not a valid shard.

        """
        paths = shards.parts(split)
        lengths, largest, longest = [np.empty(0, np.int32)], 0, 0
        for path in paths:
            table = tables.read_table(path, SHARDS, columns=["token_ids", "entities"], manifest=shards.manifest)
            lengths.append(pc.list_value_length(table["token_ids"]).to_numpy().astype(np.int32))
            largest = max(largest, pc.max(pc.list_flatten(table["token_ids"])).as_py() or 0)
            entities = pc.list_flatten(table["entities"])
            sizes = pc.subtract(pc.struct_field(entities, "end"), pc.struct_field(entities, "start"))
            longest = max(longest, pc.max(sizes).as_py() or 0)
        offsets = offsets_of([len(of_part) for of_part in lengths[1:]])
        joined = np.concatenate(lengths)
        return cls(shards, paths, required, buffer, joined, offsets, largest, longest)

    def word_counts(self, *, n_rows: int) -> Ids | None:
        """See TrainingData. Reads every part again."""
        if not self.required.matches:
            return None
        total = np.zeros(n_rows, dtype=np.int64)
        for part in range(len(self.paths)):
            matches = self._read([part]).matches
            assert matches is not None
            total += matches.counts(n_rows=n_rows)
        return total

    def batches(self, *, batch_size: int, seed: int, epoch: int) -> list[Ids]:
        """See TrainingData. The batches of one buffer precede those of the next."""
        batches: list[Ids] = []
        for number, parts in enumerate(self._buffers(seed=seed, epoch=epoch)):
            rows = np.concatenate([np.arange(self.offsets[part], self.offsets[part + 1]) for part in parts])
            random = np.random.default_rng([seed, epoch, number])
            of_buffer = shuffled_batches(self.lengths[rows], batch_size=batch_size, random=random)
            batches += [rows[batch] for batch in of_buffer]
        return batches

    def collated(
        self, batches: Sequence[Ids], *, seed: int, epoch: int, device: torch.device
    ) -> Generator[Batch, None, None]:
        """See TrainingData. One thread reads the next buffer, another gathers the next batch."""
        buffers = self._buffers(seed=seed, epoch=epoch)
        buffer_of_part = np.empty(len(self.paths), dtype=np.int64)
        for number, parts in enumerate(buffers):
            buffer_of_part[parts] = number
        grouped = [
            (buffers[number], list(of_buffer))
            for number, of_buffer in groupby(batches, key=lambda rows: int(buffer_of_part[self._part_of(rows[0])]))
        ]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read") as thread:
            for split, (parts, rows) in zip(self._read_ahead(thread, grouped), grouped, strict=True):
                with closing(prefetch(split, self._local(rows, parts), device=device)) as coming:
                    yield from coming

    def _read_ahead(self, thread: ThreadPoolExecutor, grouped: Sequence[tuple[Ids, list[Ids]]]) -> Iterator[Split]:
        """Yield the buffers in order, reading each while the one before is used."""
        following: Future[Split] | None = None
        for number in range(len(grouped)):
            current = following or thread.submit(self._read, grouped[number][0])
            split = current.result()
            following = thread.submit(self._read, grouped[number + 1][0]) if number + 1 < len(grouped) else None
            del current  # it would keep the buffer alive until the next is yielded
            yield split

    def _buffers(self, *, seed: int, epoch: int) -> list[Ids]:
        """Return the parts of each buffer of an epoch, in order."""
        order = np.random.default_rng([seed, epoch]).permutation(len(self.paths))
        buffers, start, n_sentences = [], 0, 0
        for end, part in enumerate(order, start=1):
            n_sentences += int(self.offsets[part + 1] - self.offsets[part])
            if n_sentences >= self.buffer or end == len(order):
                buffers.append(order[start:end])
                start, n_sentences = end, 0
        return buffers

    def _part_of(self, row: int) -> int:
        return int(np.searchsorted(self.offsets, row, side="right")) - 1

    def _local(self, batches: Iterable[Ids], parts: Ids) -> Iterator[Ids]:
        """Yield the rows of each batch, renumbered within the buffer of these parts."""
        shift = np.zeros(len(self.paths), dtype=np.int64)
        sizes = self.offsets[parts + 1] - self.offsets[parts]
        shift[parts] = offsets_of(sizes)[:-1] - self.offsets[parts]
        for rows in batches:
            yield rows + shift[np.searchsorted(self.offsets, rows, side="right") - 1]

    def _read(self, parts: Iterable[int]) -> Split:
        paths = [self.paths[part] for part in parts]
        return read_parts(self.shards, paths, boundaries=self.shards.boundaries, required=self.required)

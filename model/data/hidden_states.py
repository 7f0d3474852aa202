"""The frozen encoder's states of a split's characters, [CLS] and [SEP], memory-mapped from files beside the shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ssmi.model.data.boundaries import Ids
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.storage.arrays import map_array

BUILD_THEM = "build them with -S shards.hidden=true"


@dataclass(frozen=True, slots=True)
class _StoredStates:
    """Arrays of states on disk, with the place where each sentence's states begin.

    Attributes:
        parts: One float16 array per part.
        part: The index of the part that holds each sentence. Shape: (n_sentences,)
        start: The first row of each sentence in its part. Shape: (n_sentences,)

    """

    parts: Sequence[npt.NDArray[np.float16]]
    part: Ids
    start: Ids

    @classmethod
    def joined(cls, of_splits: Sequence[Self | None]) -> Self | None:
        """Join the states of several splits, end to end; None if no split has states."""
        states = [each for each in of_splits if each is not None]
        if not states:
            return None
        firsts = np.cumsum([0, *(len(one.parts) for one in states[:-1])])
        return cls(
            [part for one in states for part in one.parts],
            np.concatenate([one.part + first for one, first in zip(states, firsts, strict=True)]),
            np.concatenate([one.start for one in states]),
        )

    def take(self, rows: Ids) -> Self:
        """Return the states of some sentences; the arrays stay on disk."""
        return type(self)(self.parts, self.part[rows], self.start[rows])


@dataclass(frozen=True, slots=True)
class HiddenStates(_StoredStates):
    """The frozen encoder's states of every character. Shape of each part: (n_characters, hidden_width)."""

    def of(self, row: int, *, length: int) -> npt.NDArray[np.float16]:
        """Return the states of one sentence. Shape: (length, hidden_width)."""
        start = self.start[row]
        states: npt.NDArray[np.float16] = self.parts[self.part[row]][start : start + length]
        return states

    def gather(self, rows: Ids, *, lengths: Ids) -> Tensor:
        """Gather the states of sentences as float32, padded with zeros. Shape: (batch, longest, hidden_width)."""
        square = np.zeros((len(rows), int(lengths.max()), self.parts[0].shape[1]), dtype=np.float32)
        states = torch.from_numpy(square)
        for index, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
            # torch converts float16 with the processor's own instructions; numpy's cast takes twice the time.
            states[index, :length] = torch.from_numpy(self.of(row, length=length))
        return states


@dataclass(frozen=True, slots=True)
class SpecialStates(_StoredStates):
    """The states of [CLS] and [SEP] of every window. Shape of each part: (n_windows, 2, hidden_width)."""

    def gather(self, rows: Ids, *, counts: Ids) -> Tensor:
        """Gather the states of each sentence's ``counts`` windows as float32. Shape: (n_windows, 2, hidden_width)."""
        places = zip(self.part[rows].tolist(), self.start[rows].tolist(), counts.tolist(), strict=True)
        states = [torch.from_numpy(self.parts[part][start : start + count]) for part, start, count in places]
        return torch.cat(states).float()


@dataclass(frozen=True, slots=True)
class StoredParts:
    """The parts of a split, from which the states stored beside them are mapped.

    Attributes:
        paths: The files of the parts.
        tables: Their content, with the columns ``token_ids``, ``window_starts`` and ``hidden_start``.
        width: Width of a state; None if no states are stored.
        folder: The shard folder.
        split: Name of the split in errors.
        manifest: The manifest of the shards, against which the state files are verified.

    """

    paths: Sequence[Path]
    tables: Sequence[pa.Table]
    width: int | None
    folder: Path
    split: str
    manifest: Manifest

    def hidden(self) -> HiddenStates:
        """Map the states of the characters. Raises StaleArtifactError if they are missing or of another shape."""
        maps = self._maps("hidden", "token_ids", ())
        starts = [table["hidden_start"] for table in self.tables]
        for path, column in zip(self.paths, starts, strict=True):
            if column.null_count:
                raise StaleArtifactError(f"{path}: rows without hidden_start", next_step=BUILD_THEM)
        return HiddenStates(maps, self._part_of_rows(), _joined([column.to_numpy() for column in starts]))

    def specials(self) -> SpecialStates:
        """Map the states of [CLS] and [SEP]. Raises StaleArtifactError as ``hidden`` does."""
        maps = self._maps("specials", "window_starts", (2,))
        counts = [_counts(table, "window_starts") for table in self.tables]
        return SpecialStates(maps, self._part_of_rows(), _joined([np.cumsum(own) - own for own in counts]))

    def _part_of_rows(self) -> Ids:
        return _joined([np.full(len(table), number) for number, table in enumerate(self.tables)])

    def _maps(self, name: str, column: str, shape: tuple[int, ...]) -> list[npt.NDArray[np.float16]]:
        """Map each part's array: a row per item of a list ``column``, then ``shape``, then the width."""
        if self.width is None:
            raise StaleArtifactError(f"{self.folder}: no hidden states are stored", next_step=BUILD_THEM)
        maps = []
        for path, table in zip(self.paths, self.tables, strict=True):
            file = path.with_name(f"{path.stem}.{name}.npy")
            expected = (int(_counts(table, column).sum()), *shape, self.width)
            states = _map(file, self.manifest)
            if states.dtype != np.float16 or states.shape != expected:
                raise StaleArtifactError(
                    f"{file}: {states.dtype} {states.shape}, not float16 {expected} of {self.split}",
                    next_step=BUILD_THEM,
                )
            maps.append(states)
        return maps


def _counts(table: pa.Table, column: str) -> Ids:
    """Return the number of items in each row of a list column."""
    counts: Ids = pc.list_value_length(table[column]).to_numpy().astype(np.int64)
    return counts


def _joined(arrays: Sequence[npt.NDArray[np.integer]]) -> Ids:
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64)


def _map(file: Path, manifest: Manifest) -> npt.NDArray[Any]:
    try:
        return map_array(file, manifest=manifest, writeable=True)
    except SsmiError as error:
        problem = error.message.partition(": ")[2]
        raise StaleArtifactError(f"{file}: no readable hidden states ({problem})", next_step=BUILD_THEM) from error

"""The frozen encoder's states of a split, memory-mapped beside its shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ssmi.model.data.boundaries import Ids
from ssmi.pipeline.contract.errors import StaleArtifactError

BUILD_THEM = "build them with -S shards.hidden=true"


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """The frozen encoder's last layer, on disk.

    Attributes:
        parts: One array a part, float16. Shape of each: (n_characters, hidden_width)
        part: The part that holds a sentence. Shape: (n_sentences,)
        start: The sentence's first row in its part. Shape: (n_sentences,)

    """

    parts: Sequence[npt.NDArray[np.float16]]
    part: Ids
    start: Ids

    def of(self, row: int, *, length: int) -> npt.NDArray[np.float16]:
        """One sentence's states. Shape: (length, hidden_width)."""
        start = self.start[row]
        states: npt.NDArray[np.float16] = self.parts[self.part[row]][start : start + length]
        return states

    @classmethod
    def joined(cls, states: Sequence[HiddenStates]) -> HiddenStates | None:
        """Those of several splits' sentences, one after the other; None without any."""
        if not states:
            return None
        firsts = np.cumsum([0, *(len(one.parts) for one in states[:-1])])
        return cls(
            [part for one in states for part in one.parts],
            np.concatenate([one.part + first for one, first in zip(states, firsts, strict=True)]),
            np.concatenate([one.start for one in states]),
        )

    def take(self, rows: Ids) -> HiddenStates:
        """Those of some sentences; the arrays stay on disk."""
        return HiddenStates(self.parts, self.part[rows], self.start[rows])

    def gather(self, rows: Ids, *, lengths: Ids) -> Tensor:
        """Sentences' states as float32, padded with zeros. Shape: (batch, longest, hidden_width)."""
        square = np.zeros((len(rows), int(lengths.max()), self.parts[0].shape[1]), dtype=np.float32)
        states = torch.from_numpy(square)
        for index, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
            # torch widens float16 with the processor's own instructions, numpy's cast takes twice the time
            states[index, :length] = torch.from_numpy(self.of(row, length=length))
        return states


def read_hidden(
    paths: Sequence[Path], parts: Sequence[pa.Table], *, width: int | None, folder: Path, split: str
) -> HiddenStates:
    """Map the states that stand beside a split's parts.

    Args:
        paths: The files of the parts.
        parts: The tables in them, with the columns ``token_ids`` and ``hidden_start``.
        width: Of a state, as the shards' manifest says; None where none are stored.
        folder: Of the shards.
        split: Names the split in errors.

    Raises:
        StaleArtifactError: States are missing or have another shape.

    """
    if width is None:
        raise StaleArtifactError(f"{folder}: no hidden states are stored", next_step=BUILD_THEM)
    maps, part, start = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number, (path, table) in enumerate(zip(paths, parts, strict=True)) if paths else ():
        file = path.with_name(f"{path.stem}.hidden.npy")
        n_characters = pc.sum(pc.list_value_length(table["token_ids"])).as_py() or 0
        states = _map(file, empty=not n_characters)
        column = table["hidden_start"]
        if column.null_count or states.dtype != np.float16 or states.shape != (n_characters, width):
            raise StaleArtifactError(
                f"{file}: {states.dtype} {states.shape}, not float16 {(n_characters, width)} of {split}",
                next_step=BUILD_THEM,
            )
        maps.append(states)
        part.append(np.full(len(table), number, dtype=np.int64))
        start.append(column.to_numpy().astype(np.int64))
    return HiddenStates(maps, np.concatenate(part), np.concatenate(start))


def _map(file: Path, *, empty: bool) -> npt.NDArray[np.float16]:
    """The file's array, as a plain one: slices of ``numpy.memmap`` take longer. Copy on write, and nothing writes."""
    try:
        return np.asarray(np.load(file, mmap_mode=None if empty else "c", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise StaleArtifactError(f"{file}: no readable hidden states ({error})", next_step=BUILD_THEM) from error

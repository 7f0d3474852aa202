"""The input and output of an encoder: cells of windows ([CLS], characters, [SEP], padding) and encoded states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ssmi.model.data.batches import Windows


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the special tokens."""

    cls: int
    sep: int
    pad: int


class Encoded(NamedTuple):
    """The encoded states of a batch.

    Attributes:
        states: O_B, the states of the characters, zero on padding. Shape: (batch, length, width)
        sentences: e_s, the state of [CLS], averaged over the windows of a sentence. Shape: (batch, width)

    """

    states: Tensor
    sentences: Tensor


@dataclass(frozen=True, slots=True)
class Cells:
    """The content of the cells of windows.

    Attributes:
        position: Position of each cell in its window. Shape: (size,)
        end: Position of [SEP] in each window. Shape: (n_windows, 1)
        attended: int64, 1 except on padding. Shape: (n_windows, size)
        holds_char: bool, True on characters. Shape: (n_windows, size)
        char: Character of each cell as a flat index into the batch; arbitrary in cells without a character. Shape:
            (n_windows, size)

    """

    position: Tensor
    end: Tensor
    attended: Tensor
    holds_char: Tensor
    char: Tensor

    @classmethod
    def of(cls, windows: Windows) -> Cells:
        """Return the cells of windows, on the device of the windows."""
        end = windows.lengths[:, None] + 1
        position = torch.arange(windows.char_of_cell.shape[1], device=end.device)
        attended = (position <= end).long()  # not bool, because DeBERTa subtracts it
        # Clamped to some character in cells without one, where `filled` ignores it.
        return cls(position, end, attended, windows.char_of_cell >= 0, windows.char_of_cell.clamp(min=0))

    def filled(self, characters: Tensor, *, others: Tensor) -> Tensor:
        """Place vectors of characters in their cells, and ``others`` in the rest. Shape: (n_windows, size, width)."""
        placed = functional.embedding(self.char, characters.flatten(0, 1))
        return torch.where(self.holds_char[..., None], placed, others)

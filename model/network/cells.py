"""What goes through an encoder and what comes out: windows of [CLS], characters, [SEP] and padding; states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ssmi.model.data.batches import Windows


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the tokens that are not characters."""

    cls: int
    sep: int
    pad: int


class Encoded(NamedTuple):
    """A batch's states.

    Attributes:
        states: O_B, zero on padding. Shape: (batch, length, width)
        sentences: e_s, the [CLS] state, averaged over the windows of a longer sentence. Shape: (batch, width)

    """

    states: Tensor
    sentences: Tensor


@dataclass(frozen=True, slots=True)
class Cells:
    """What stands in each cell of the windows.

    Attributes:
        position: Of a cell in its window. Shape: (size,)
        end: [SEP]'s position in each window. Shape: (n_windows, 1)
        attended: int64, 1 on all but padding. Shape: (n_windows, size)
        holds_char: bool. Shape: (n_windows, size)
        char: Each cell's character as a flat index into the batch, any where it holds none. Shape: (n_windows, size)

    """

    position: Tensor
    end: Tensor
    attended: Tensor
    holds_char: Tensor
    char: Tensor

    @classmethod
    def of(cls, windows: Windows) -> Cells:
        """The cells of the windows, on their device."""
        end = windows.lengths[:, None] + 1
        position = torch.arange(windows.char_of_cell.shape[1], device=end.device)
        attended = (position <= end).long()  # not bool: DeBERTa subtracts it
        # any character will do where `where` takes the other side
        return cls(position, end, attended, windows.char_of_cell >= 0, windows.char_of_cell.clamp(min=0))

    def filled(self, characters: Tensor, *, others: Tensor) -> Tensor:
        """Vectors of the batch's characters in their cells, ``others`` in the rest. Shape: (n_windows, size, width)."""
        placed = functional.embedding(self.char, characters.flatten(0, 1))
        return torch.where(self.holds_char[..., None], placed, others)

"""Whole-word masking: which characters of a batch the encoder must guess, and what stands in their place.

The words are the segments of the features, so that a word of Chinese is hidden as a whole and cannot be guessed from
its other half (Cui et al. 2021, "Pre-Training with Whole Word Masking for Chinese BERT"). The shares are BERT's (Devlin
et al. 2019, section 3.1), and as in its code what stands in a chosen place is drawn for each character by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssmi.model.data.batches import Batch
from ssmi.model.data.features.segment_positions import SEGMENT_POSITIONS

SHARE = 0.15
"""Of a sentence's characters that are chosen."""
MASKED, REPLACED = 0.8, 0.1
"""Of these: the share that becomes [MASK], and the share that becomes any token. The others stay, and are guessed."""
_FIRST_OF_A_WORD = tuple(SEGMENT_POSITIONS.index(name) for name in ("first", "alone"))


@dataclass(frozen=True, slots=True)
class MaskTokens:
    """What may stand in the place of a character.

    Attributes:
        mask: The id of [MASK].
        n_tokens: Any other id is drawn below it.

    """

    mask: int
    n_tokens: int


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """A batch with words hidden.

    Attributes:
        batch: What the encoder reads.
        chosen: bool, True where it must guess. Shape: (batch, length)
        answers: The ids that stood there. Shape: (n_chosen,)

    """

    batch: Batch
    chosen: Tensor
    answers: Tensor

    def to(self, device: torch.device) -> MaskedBatch:
        """The batch on a device."""
        return MaskedBatch(self.batch.to(device), self.chosen.to(device), self.answers.to(device))


def mask_words(batch: Batch, *, tokens: MaskTokens, random: np.random.Generator) -> MaskedBatch:
    """Hide words of every sentence.

    Args:
        batch: On the CPU, with segment positions.
        tokens: What may stand in a character's place.
        random: Draws the words and what stands there.

    Returns:
        The batch, with at least one word of each sentence chosen.

    """
    assert batch.segment_positions is not None
    begins = np.isin(batch.segment_positions.numpy(), _FIRST_OF_A_WORD)
    lengths = batch.mask.sum(dim=1).tolist()
    chosen = np.zeros(begins.shape, dtype=bool)
    for row, length in enumerate(lengths):
        starts = np.flatnonzero(begins[row, :length])
        for start, end in choose_words(starts.tolist(), length=length, random=random):
            chosen[row, start:end] = True
    # A copy: numpy() shares its memory with the batch, which stays as it was given.
    ids = batch.token_ids.numpy().copy()
    answers = ids[chosen]
    ids[chosen] = _stand_ins(answers, tokens=tokens, random=random)
    hidden = replace(batch, token_ids=torch.from_numpy(ids))
    return MaskedBatch(hidden, torch.from_numpy(chosen), torch.from_numpy(answers))


def choose_words(starts: Sequence[int], *, length: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Words in random order, until they hold ``SHARE`` of the characters; one that would exceed it is passed over.

    Args:
        starts: Each word's first character, rising from 0.
        length: Characters of the sentence.
        random: Draws the order.

    Returns:
        (start, end) of each word that is chosen; where every word is too long, the first one drawn.

    """
    wanted = max(1, round(SHARE * length))
    words = list(zip(starts, [*starts[1:], length], strict=True))
    drawn = [words[index] for index in random.permutation(len(words)).tolist()]
    chosen: list[tuple[int, int]] = []
    for start, end in drawn:
        if end - start <= wanted:
            chosen.append((start, end))
            wanted -= end - start
        if not wanted:
            break
    return chosen or drawn[:1]


def _stand_ins(ids: npt.NDArray[np.int64], *, tokens: MaskTokens, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """What stands in the places of the chosen characters."""
    # Both for every place, needed or not: how many are drawn must not depend on what is drawn.
    draws, others = random.random(len(ids)), random.integers(tokens.n_tokens, size=len(ids))
    return np.select([draws < MASKED, draws < MASKED + REPLACED], [np.full_like(ids, tokens.mask), others], default=ids)

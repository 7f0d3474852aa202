"""Whole-word masking: choose the characters that the encoder must predict, and replace them in its input.

Words are the segments of the features. A Chinese word is hidden as a whole, so that no character can be predicted from
the rest of its word (Cui et al. 2021, "Pre-Training with Whole Word Masking for Chinese BERT"). The shares are BERT's
(Devlin et al. 2019, section 3.1). As in BERT's code, the replacement is drawn for each character independently.
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
"""Share of a sentence's characters that are chosen."""
MASKED, REPLACED = 0.8, 0.1
"""Shares of the chosen characters replaced by [MASK] and by a random token; the rest stay but are predicted too."""
_FIRST_OF_A_WORD = tuple(SEGMENT_POSITIONS.index(name) for name in ("first", "alone"))


@dataclass(frozen=True, slots=True)
class MaskTokens:
    """The token ids that may replace a character.

    Attributes:
        mask: The id of [MASK].
        n_tokens: Size of the vocabulary; random ids are drawn below it.

    """

    mask: int
    n_tokens: int


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """A batch with masked words.

    Attributes:
        batch: The batch that the encoder reads.
        chosen: bool, True on the characters to predict. Shape: (batch, length)
        answers: The original token ids of the chosen characters. Shape: (n_chosen,)

    """

    batch: Batch
    chosen: Tensor
    answers: Tensor

    def to(self, device: torch.device) -> MaskedBatch:
        """Return the batch on a device."""
        return MaskedBatch(self.batch.to(device), self.chosen.to(device), self.answers.to(device))


def mask_words(batch: Batch, *, tokens: MaskTokens, random: np.random.Generator) -> MaskedBatch:
    """Mask words of every sentence.

    Args:
        batch: A batch on the CPU, with segment positions.
        tokens: The token ids that may replace a character.
        random: The generator that draws the words and their replacements.

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
    # A copy, because numpy() shares its memory with the batch, which must not change.
    ids = batch.token_ids.numpy().copy()
    answers = ids[chosen]
    ids[chosen] = _replacements(answers, tokens=tokens, random=random)
    hidden = replace(batch, token_ids=torch.from_numpy(ids))
    return MaskedBatch(hidden, torch.from_numpy(chosen), torch.from_numpy(answers))


def choose_words(starts: Sequence[int], *, length: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Choose words in random order until they hold ``SHARE`` of the characters, skipping words that would exceed it.

    Args:
        starts: The first character of each word, ascending from 0.
        length: Number of characters in the sentence.
        random: The generator that draws the order.

    Returns:
        (start, end) of each chosen word. If every word is too long, the first word drawn.

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


def _replacements(
    ids: npt.NDArray[np.int64], *, tokens: MaskTokens, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw the ids that replace the chosen characters."""
    # Both are drawn for every character, needed or not, so that the number of draws does not depend on their outcome.
    draws, others = random.random(len(ids)), random.integers(tokens.n_tokens, size=len(ids))
    return np.select([draws < MASKED, draws < MASKED + REPLACED], [np.full_like(ids, tokens.mask), others], default=ids)

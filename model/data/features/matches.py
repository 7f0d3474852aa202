"""The vocabulary words that match inside sentences: of a split as flat arrays, of a batch as the words of a character.

A character may lie in a dozen words and mostly lies in one or two: a split keeps each match once, and only a batch
spreads it over the characters that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import NO_BOUNDARY, Ids, Rows
from ssmi.model.data.features.segment_positions import REBUILD
from ssmi.pipeline.contract.errors import StaleArtifactError

ROLES = ("B", "M", "E", "S")
"""What a character may be in a word: its first, an inner one, its last, the only one."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Every match of a split, sentence after sentence; sentence ``i`` has ``[offsets[i], offsets[i + 1])``.

    Attributes:
        offsets: Where each sentence's matches begin. Shape: (n_sentences + 1,)
        starts: First character, counted within the sentence. Shape: (n_matches,)
        ends: The character after the last. Shape: (n_matches,)
        rows: Embedding row of the word. Shape: (n_matches,)

    """

    offsets: Ids
    starts: Rows
    ends: Rows
    rows: Rows

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches | None:
        """The matches of several splits, end to end; None for none."""
        if not parts:
            return None
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("starts", "ends", "rows"))
        return cls(np.concatenate(([0], np.cumsum(counts))), *columns)

    def take(self, sentences: Ids) -> Matches:
        """Those of some sentences, in their order."""
        counts = self.offsets[sentences + 1] - self.offsets[sentences]
        picked = ranges(self.offsets[sentences], counts)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        return Matches(offsets, self.starts[picked], self.ends[picked], self.rows[picked])

    def check(self, lengths: Ids, *, source: str) -> None:
        """Refuse matches that do not lie in their sentence.

        Args:
            lengths: Characters of each sentence. Shape: (n_sentences,)
            source: Names the split in errors.

        Raises:
            StaleArtifactError: One does not.

        """
        room = np.repeat(lengths, np.diff(self.offsets))
        if ((self.starts < 0) | (self.starts >= self.ends) | (self.ends > room)).any():
            raise StaleArtifactError(f"{source}: matches outside their sentence", next_step=REBUILD)

    def words_of(self, sentences: Ids, *, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The words of each character of some sentences, in the order of their matches.

        Args:
            sentences: Indices in the split. Shape: (batch,)
            length: Characters of the longest of them.

        Returns:
            Embedding rows, 0 where a character has fewer words, and indices of ``ROLES``, 0 there too. Shape of each:
            (batch, length, most words over one character)

        """
        counts = self.offsets[sentences + 1] - self.offsets[sentences]
        picked = ranges(self.offsets[sentences], counts)
        sizes = (self.ends - self.starts)[picked].astype(np.int64)
        begins = np.repeat(np.arange(len(sentences)) * length, counts) + self.starts[picked]
        # One entry for each character of each match, which are then brought together by character.
        characters = ranges(begins, sizes)
        # Stable: a character's words keep the order of their matches.
        order = np.argsort(characters, kind="stable")
        characters = characters[order]
        per_character = np.bincount(characters, minlength=len(sentences) * length)
        slots = ranges(np.zeros_like(per_character), per_character)
        shape = (len(sentences) * length, int(per_character.max(initial=0)))
        rows, roles = np.full(shape, NO_BOUNDARY, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        rows[characters, slots] = np.repeat(self.rows[picked], sizes)[order]
        roles[characters, slots] = _roles(sizes)[order]
        return rows.reshape(len(sentences), length, -1), roles.reshape(len(sentences), length, -1)

    def counts(self, *, n_rows: int) -> Ids:
        """How often each word matches where no longer match covers it (Ma et al. 2020: "the statistical data").

        Args:
            n_rows: Rows of the embedding, row 0 too.

        Returns:
            Shape: (n_rows,)

        """
        # Sentences laid out one behind another, far enough apart that no match of one covers any of the next.
        stride = int(self.ends.max(initial=0))
        base = np.repeat(np.arange(len(self.offsets) - 1) * stride, np.diff(self.offsets))
        starts, ends = base + self.starts, base + self.ends
        order = np.lexsort((-ends, starts))  # whatever covers a match now stands before it
        furthest = np.maximum.accumulate(ends[order])
        covered = np.zeros(len(order), dtype=bool)
        covered[1:] = furthest[:-1] >= ends[order][1:]
        return np.bincount(self.rows[order][~covered], minlength=n_rows).astype(np.int64)


def ranges(starts: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> Ids:
    """``start, start + 1, ...``, ``size`` numbers for each start, end to end. Shapes: (n,), (n,)."""
    ends = np.cumsum(sizes, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    numbers: Ids = np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
    return numbers


def _roles(sizes: Ids) -> Ids:
    """An index of ``ROLES`` for each character of words of these sizes, end to end."""
    position = ranges(np.zeros_like(sizes), sizes)
    size = np.repeat(sizes, sizes)
    return np.select([size == 1, position == 0, position == size - 1], [3, 0, 2], default=1)

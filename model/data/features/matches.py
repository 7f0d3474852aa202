"""Vocabulary words that match inside sentences: flat arrays for a split, words per character for a batch.

A character may be covered by a dozen words but usually by one or two. A split therefore stores each match once, and
only a batch spreads it over the characters that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import NO_BOUNDARY, Ids, Rows
from ssmi.model.data.features.feature_checks import REBUILD
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.offsets import indices_of, offsets_of

ROLES = ("B", "M", "E", "S")
"""Roles of a character in a word: first, inner, last or only character."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Every match of a split, sentence after sentence; sentence ``i`` has ``[offsets[i], offsets[i + 1])``.

    Attributes:
        offsets: Where each sentence's matches begin. Shape: (n_sentences + 1,)
        starts: First character of each match, counted within the sentence. Shape: (n_matches,)
        ends: One past the last character of each match. Shape: (n_matches,)
        rows: Embedding row of each matching word. Shape: (n_matches,)

    """

    offsets: Ids
    starts: Rows
    ends: Rows
    rows: Rows

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches | None:
        """Join the matches of several splits, end to end; None for an empty sequence."""
        if not parts:
            return None
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("starts", "ends", "rows"))
        return cls(offsets_of(counts), *columns)

    def take(self, sentences: Ids) -> Matches:
        """Return the matches of some sentences, in the order given."""
        counts = self.offsets[sentences + 1] - self.offsets[sentences]
        picked = indices_of(self.offsets[sentences], counts)
        return Matches(offsets_of(counts), self.starts[picked], self.ends[picked], self.rows[picked])

    def check(self, lengths: Ids, *, source: str) -> None:
        """Check that every match lies within its sentence.

        Args:
            lengths: Characters of each sentence. Shape: (n_sentences,)
            source: Name of the split in errors.

        Raises:
            StaleArtifactError: A match lies outside its sentence.

        """
        room = np.repeat(lengths, np.diff(self.offsets))
        if ((self.starts < 0) | (self.starts >= self.ends) | (self.ends > room)).any():
            raise StaleArtifactError(f"{source}: matches outside their sentence", next_step=REBUILD)

    def words_of(self, sentences: Ids, *, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the words that cover each character of some sentences, in the order of the matches.

        Args:
            sentences: Indices of the sentences in the split. Shape: (batch,)
            length: Characters of the longest of these sentences.

        Returns:
            Embedding rows and indices of ``ROLES``, both padded with 0. Shape of each: (batch, length, most words over
            one character)

        """
        counts = self.offsets[sentences + 1] - self.offsets[sentences]
        picked = indices_of(self.offsets[sentences], counts)
        sizes = (self.ends - self.starts)[picked].astype(np.int64)
        begins = np.repeat(np.arange(len(sentences)) * length, counts) + self.starts[picked]
        # One entry for each character of each match, then grouped by character.
        characters = indices_of(begins, sizes)
        # Stable, so that a character's words keep the order of their matches.
        order = np.argsort(characters, kind="stable")
        characters = characters[order]
        per_character = np.bincount(characters, minlength=len(sentences) * length)
        slots = indices_of(np.zeros_like(per_character), per_character)
        shape = (len(sentences) * length, int(per_character.max(initial=0)))
        rows, roles = np.full(shape, NO_BOUNDARY, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        rows[characters, slots] = np.repeat(self.rows[picked], sizes)[order]
        roles[characters, slots] = _roles(sizes)[order]
        return rows.reshape(len(sentences), length, -1), roles.reshape(len(sentences), length, -1)

    def counts(self, *, n_rows: int) -> Ids:
        """Count how often each word matches without being covered by a longer match.

        Ma et al. 2020 take such counts from what they call "the statistical data".

        Args:
            n_rows: Number of rows of the embedding, including row 0.

        Returns:
            The count of each row's word. Shape: (n_rows,)

        """
        # Sentences are laid out end to end, far enough apart that no match of one covers a match of the next.
        stride = int(self.ends.max(initial=0))
        base = np.repeat(np.arange(len(self.offsets) - 1) * stride, np.diff(self.offsets))
        starts, ends = base + self.starts, base + self.ends
        order = np.lexsort((-ends, starts))  # sorts every match after the matches that cover it
        furthest = np.maximum.accumulate(ends[order])
        covered = np.zeros(len(order), dtype=bool)
        covered[1:] = furthest[:-1] >= ends[order][1:]
        return np.bincount(self.rows[order][~covered], minlength=n_rows).astype(np.int64)


def _roles(sizes: Ids) -> Ids:
    """Return an index of ``ROLES`` for each character of words of the given sizes, end to end."""
    position = indices_of(np.zeros_like(sizes), sizes)
    size = np.repeat(sizes, sizes)
    return np.select([size == 1, position == 0, position == size - 1], [3, 0, 2], default=1)

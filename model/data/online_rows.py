"""Convert feature rows computed online for text into a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import Ids, RowLookup, Rows
from ssmi.model.data.features.boundary_roles import WordsOf, boundary_roles
from ssmi.model.data.features.cosine_gates import Gates, cosine_gates
from ssmi.model.data.features.matches import Matches
from ssmi.model.data.features.segment_positions import segment_positions
from ssmi.model.data.hidden_states import HiddenStates, SpecialStates
from ssmi.model.data.split import RequiredFeatures, Split, character_kinds, padded
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates, FeatureRow

_IdColumn = Literal[
    "token_ids", "best_ids", "local_ids", "segment_starts", "window_starts", "match_starts", "match_ends", "match_ids"
]


def split_of(
    rows: Sequence[FeatureRow],
    *,
    boundaries: RowLookup,
    required: RequiredFeatures,
    hidden: Sequence[EncoderStates] | None = None,
    words_of: WordsOf | None = None,
) -> Split:
    """Convert feature rows into a split without gold, whose tag ids are meaningless.

    Args:
        rows: The features of each sentence; negatives, which only training reads, are left out.
        boundaries: The lookup that gives the embedding rows.
        required: The features that the network reads.
        hidden: The encoder's states of each row; required if ``required.hidden``.
        words_of: Function that gives the words of boundaries; required if ``required.boundary_roles``.

    Returns:
        The split, in the order of the rows.

    Raises:
        StaleArtifactError: A boundary has no embedding row, or does not hold its character.

    """
    columns = _RowColumns(rows, boundaries)
    offsets = columns.offsets("token_ids")
    window_offsets = columns.offsets("window_starts")
    states = specials = None
    if required.hidden:
        assert hidden is not None
        # A single part holds every sentence, as if all states had been read from one file.
        part = np.zeros(len(rows), dtype=np.int64)
        states = HiddenStates([np.concatenate([one.characters for one in hidden])], part, offsets[:-1])
        specials = SpecialStates([np.concatenate([one.specials for one in hidden])], part, window_offsets[:-1])
    positions = None
    if required.segment_positions:
        starts = columns.flat("segment_starts")
        positions = segment_positions(offsets, columns.offsets("segment_starts"), starts, source="rows")
    # One code point per character, as in `shards._texts`: positions in text and features must agree.
    texts = ["".join(one[:1] for one in row["characters"]) for row in rows]
    roles = None
    if required.boundary_roles:
        assert words_of is not None
        roles = boundary_roles(columns.flat("best_ids"), texts, words_of=words_of, source="rows")
    return Split(
        offsets,
        columns.flat("token_ids").astype(np.int32),
        np.zeros(int(offsets[-1]), dtype=np.int16),
        columns.rows("best_ids") if required.best else None,
        columns.rows("local_ids") if required.local else None,
        columns.rows_of_sets() if required.sets else None,
        None,
        positions,
        roles,
        columns.gates() if required.cosine_gates else None,
        character_kinds(texts),
        window_offsets,
        columns.flat("window_starts").astype(np.int32),
        [[] for _ in rows],
        states,
        specials if required.special_states else None,
        columns.matches() if required.matches else None,
    )


@dataclass(frozen=True)
class _RowColumns:
    """Feature rows, read column by column as ``shards._SplitTable`` reads a table."""

    feature_rows: Sequence[FeatureRow]
    boundaries: RowLookup

    def offsets(self, name: _IdColumn) -> Ids:
        """Return where each sentence's values begin. Shape: (n_sentences + 1,)."""
        return offsets_of([len(row[name] or ()) for row in self.feature_rows])

    def flat(self, name: _IdColumn) -> npt.NDArray[np.int64]:
        """Return the values of all sentences, end to end."""
        return np.fromiter(chain.from_iterable(row[name] or () for row in self.feature_rows), dtype=np.int64)

    def rows(self, name: _IdColumn) -> Rows:
        """Return the embedding row of each character's boundary. Shape: (n_characters,)."""
        return self.boundaries.rows_of(self.flat(name), source=name)

    def rows_of_sets(self) -> Rows:
        """Return the embedding rows of S_s. Shape: (n_characters, largest set)."""
        sets = [members for row in self.feature_rows for members in row["set_ids"]]
        counts = np.array([len(members) for members in sets], dtype=np.int64)
        values = np.fromiter(chain.from_iterable(sets), dtype=np.int64)
        return padded(counts, self.boundaries.rows_of(values, source="set_ids"))

    def gates(self) -> Gates:
        """Return the gates; see ``cosine_gates``. Shape: (n_characters,)."""
        cosines = np.fromiter(chain.from_iterable(row["best_cosines"] for row in self.feature_rows), dtype=np.float32)
        sets = chain.from_iterable(row["set_ids"] for row in self.feature_rows)
        return cosine_gates(cosines, np.fromiter(map(len, sets), dtype=np.int64, count=len(cosines)))

    def matches(self) -> Matches:
        """Return the matches of every sentence."""
        starts, ends = (self.flat(name).astype(np.int32) for name in ("match_starts", "match_ends"))
        return Matches(self.offsets("match_starts"), starts, ends, self.rows("match_ids"))

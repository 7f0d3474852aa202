"""The sentences of a split in memory, as flat arrays with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import NO_BOUNDARY, Ids, Rows
from ssmi.model.data.features.cosine_gates import Gates
from ssmi.model.data.features.matches import Matches
from ssmi.model.data.hidden_states import HiddenStates, SpecialStates
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.offsets import indices_of, offsets_of
from ssmi.pipeline.contract.text.words import edges


@dataclass(frozen=True, slots=True)
class RequiredFeatures:
    """The features that a network reads besides characters and tags; the others stay on disk."""

    best: bool = False
    local: bool = False
    sets: bool = False
    """The boundary sets."""
    negatives: bool = False
    segment_positions: bool = False
    """The position of each character in its segment."""
    boundary_roles: bool = False
    """The position of each character in its best boundary."""
    cosine_gates: bool = False
    """The weight of each best boundary."""
    hidden: bool = False
    """The stored encoder states of the characters."""
    special_states: bool = False
    """The stored encoder states of [CLS] and [SEP] of the windows."""
    matches: bool = False
    """Every vocabulary word that matches inside the sentence."""

    @property
    def boundaries(self) -> bool:
        """Whether boundary vectors are read."""
        return self.best or self.local or self.sets or self.matches


@dataclass(frozen=True, slots=True)
class Split:
    """The sentences of a split, end to end; sentence ``i`` has ``[offsets[i], offsets[i + 1])`` of the flat arrays.

    The arrays are flat so that a batch is gathered by one index into each array, without a loop over its sentences.

    Attributes:
        offsets: Where each sentence's characters begin. Shape: (n_sentences + 1,)
        token_ids: Ids of the encoder's vocabulary. Shape: (n_characters,)
        tag_ids: Indices of the label set's tags. Shape: (n_characters,)
        best_rows: Embedding row of the best boundary S_m, 0 for none. Shape: (n_characters,)
        local_rows: Embedding row of the local boundary. Shape: (n_characters,)
        set_rows: Embedding rows of the boundary set S_s, padded with 0. Shape: (n_characters, largest set)
        negative_rows: Embedding rows of the negatives. Shape: (n_characters, most negatives)
        segment_positions: Position of each character in its segment, an index of ``SEGMENT_POSITIONS``. Shape:
            (n_characters,)
        boundary_roles: Position of each character in its best boundary, an index of ``BOUNDARY_ROLES``. Shape:
            (n_characters,)
        cosine_gates: Weight of each best boundary, from 0 to 1. Shape: (n_characters,)
        kinds: Kind of each character with respect to entity edges; see ``words.edges``. Shape: (n_characters,)
        window_offsets: Where each sentence's windows begin in ``window_starts``. Shape: (n_sentences + 1,)
        window_starts: Each window's first character, counted within its sentence. Shape: (n_windows,)
        gold: The gold entities of each sentence.
        hidden: The frozen encoder's states of the characters.
        special_states: The frozen encoder's states of [CLS] and [SEP].
        matches: The vocabulary words that match inside the sentences.

    """

    offsets: Ids
    token_ids: npt.NDArray[np.int32]
    tag_ids: npt.NDArray[np.int16]
    best_rows: Rows | None
    local_rows: Rows | None
    set_rows: Rows | None
    negative_rows: Rows | None
    segment_positions: Rows | None
    boundary_roles: Rows | None
    cosine_gates: Gates | None
    kinds: npt.NDArray[np.uint8]
    window_offsets: Ids
    window_starts: npt.NDArray[np.int32]
    gold: Sequence[Sequence[Span]]
    hidden: HiddenStates | None
    special_states: SpecialStates | None
    matches: Matches | None

    @property
    def lengths(self) -> Ids:
        """Characters of each sentence. Shape: (n_sentences,)."""
        return np.diff(self.offsets)

    def kinds_of(self, sentence: int) -> Sequence[int]:
        """Return ``kinds`` of one sentence."""
        return self.kinds[self.offsets[sentence] : self.offsets[sentence + 1]].tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def joined(cls, splits: Sequence[Split]) -> Split:
        """Join the sentences of several splits, which must hold the same features, end to end."""
        values: dict[str, Any] = {
            item.name: _joined([getattr(split, item.name) for split in splits])
            for item in fields(cls)
            if item.name not in _NOT_OF_CHARACTERS
        }
        return cls(
            offsets=offsets_of(np.concatenate([split.lengths for split in splits])),
            window_offsets=offsets_of(np.concatenate([np.diff(split.window_offsets) for split in splits])),
            window_starts=np.concatenate([split.window_starts for split in splits]),
            gold=[spans for split in splits for spans in split.gold],
            hidden=HiddenStates.joined([split.hidden for split in splits]),
            special_states=SpecialStates.joined([split.special_states for split in splits]),
            matches=Matches.joined([split.matches for split in splits if split.matches is not None]),
            **values,
        )

    def take(self, rows: Ids) -> Split:
        """Return some of the sentences, in the order of ``rows``."""
        lengths, window_counts = self.lengths[rows], np.diff(self.window_offsets)[rows]
        characters = indices_of(self.offsets[rows], lengths)
        windows = indices_of(self.window_offsets[rows], window_counts)
        values: dict[str, Any] = {
            item.name: None if (value := getattr(self, item.name)) is None else value[characters]
            for item in fields(self)
            if item.name not in _NOT_OF_CHARACTERS
        }
        return Split(
            offsets=offsets_of(lengths),
            window_offsets=offsets_of(window_counts),
            window_starts=self.window_starts[windows],
            gold=[self.gold[row] for row in rows.tolist()],
            hidden=None if self.hidden is None else self.hidden.take(rows),
            special_states=None if self.special_states is None else self.special_states.take(rows),
            matches=None if self.matches is None else self.matches.take(rows),
            **values,
        )


_NOT_OF_CHARACTERS = frozenset(
    {"offsets", "window_offsets", "window_starts", "gold", "hidden", "special_states", "matches"}
)
"""The fields of ``Split`` that do not hold one value, or one row of a matrix, for each character."""


def _joined(arrays: Sequence[Rows | None]) -> Rows | None:
    """Join arrays end to end, padding matrices to the widest with 0, which stands for "no boundary"."""
    present = [array for array in arrays if array is not None]
    if not present:
        return None
    if present[0].ndim == 1:
        return np.concatenate(present)
    widest = max(array.shape[1] for array in present)
    return np.concatenate(
        [np.pad(array, ((0, 0), (0, widest - array.shape[1])), constant_values=NO_BOUNDARY) for array in present]
    )


def padded(counts: npt.NDArray[np.integer[Any]], rows: Rows) -> Rows:
    """Spread sets of ``counts`` values, given end to end, over the rows of a matrix. Shape: (n_sets, largest set)."""
    square = np.full((len(counts), int(counts.max(initial=0))), NO_BOUNDARY, dtype=np.int32)
    square[np.arange(square.shape[1]) < counts[:, None]] = rows
    return square


def character_kinds(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the ``words.edges`` of each sentence, end to end."""
    return np.frombuffer(b"".join(map(edges, texts)), dtype=np.uint8)

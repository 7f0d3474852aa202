"""The sentences of a split in memory: flat arrays with offsets, wherever they were read or made."""

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
from ssmi.pipeline.contract.text.words import edges


@dataclass(frozen=True, slots=True)
class RequiredFeatures:
    """What a network reads of a sentence beyond its characters and tags; the rest stays on disk."""

    best: bool = False
    local: bool = False
    sets: bool = False
    """The boundary sets."""
    negatives: bool = False
    segment_positions: bool = False
    """Where each character stands in its segment."""
    boundary_roles: bool = False
    """Where each character stands in its best boundary."""
    cosine_gates: bool = False
    """How far each best boundary is trusted."""
    hidden: bool = False
    """The stored states of its characters."""
    special_states: bool = False
    """Those of [CLS] and [SEP] of its windows."""
    matches: bool = False
    """Every vocabulary word that matches inside the sentence."""

    @property
    def boundaries(self) -> bool:
        """Whether vectors of boundaries are read."""
        return self.best or self.local or self.sets or self.matches


@dataclass(frozen=True, slots=True)
class Split:
    """The sentences of a split, end to end; sentence ``i`` has ``[offsets[i], offsets[i + 1])`` of the flat arrays.

    Flat, because a batch is then gathered by one index into each array, with no loop over its sentences.

    Attributes:
        offsets: Where each sentence's characters begin. Shape: (n_sentences + 1,)
        token_ids: Of the encoder's vocabulary. Shape: (n_characters,)
        tag_ids: Indices of the label set's tags. Shape: (n_characters,)
        best_rows: Embedding rows of S_m, 0 for none. Shape: (n_characters,)
        local_rows: Row of the local boundary. Shape: (n_characters,)
        set_rows: Rows of the boundary set S_s, padded with 0. Shape: (n_characters, largest set)
        negative_rows: Rows of the negatives. Shape: (n_characters, most negatives)
        segment_positions: Where each character stands in its segment, an index of ``SEGMENT_POSITIONS``. Shape:
            (n_characters,)
        boundary_roles: Where each character stands in its best boundary, an index of ``BOUNDARY_ROLES``. Shape:
            (n_characters,)
        cosine_gates: How far each best boundary is trusted, from 0 to 1. Shape: (n_characters,)
        kinds: What each character is to an edge of an entity, as ``words.edges`` says. Shape: (n_characters,)
        window_offsets: Where each sentence's windows begin in ``window_starts``. Shape: (n_sentences + 1,)
        window_starts: Each window's first character, counted within its sentence. Shape: (n_windows,)
        gold: The entities of each sentence.
        hidden: The frozen encoder's states.
        special_states: Its states of [CLS] and [SEP].
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
        """``kinds`` of one sentence."""
        return self.kinds[self.offsets[sentence] : self.offsets[sentence + 1]].tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def joined(cls, splits: Sequence[Split]) -> Split:
        """The sentences of several splits, which hold the same features, end to end."""
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
        """Some of its sentences, in the order of ``rows``."""
        characters, windows = _flat_indices(self.offsets, rows), _flat_indices(self.window_offsets, rows)
        values: dict[str, Any] = {
            item.name: None if (value := getattr(self, item.name)) is None else value[characters]
            for item in fields(self)
            if item.name not in _NOT_OF_CHARACTERS
        }
        return Split(
            offsets=offsets_of(self.lengths[rows]),
            window_offsets=offsets_of(np.diff(self.window_offsets)[rows]),
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
    """Arrays of characters end to end; matrices as wide as the widest, padded with 0, which is "no boundary"."""
    present = [array for array in arrays if array is not None]
    if not present:
        return None
    if present[0].ndim == 1:
        return np.concatenate(present)
    widest = max(array.shape[1] for array in present)
    return np.concatenate(
        [np.pad(array, ((0, 0), (0, widest - array.shape[1])), constant_values=NO_BOUNDARY) for array in present]
    )


def _flat_indices(offsets: Ids, rows: Ids) -> Ids:
    """The indices of all values of some sentences in a flat array, in the order of ``rows``. Shape: (n_values,)."""
    lengths = np.diff(offsets)[rows]
    before = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(rows) else np.empty(0, np.int64)
    return np.repeat(offsets[:-1][rows] - before, lengths) + np.arange(lengths.sum())


def padded(counts: npt.NDArray[np.integer[Any]], rows: Rows) -> Rows:
    """Sets that stand end to end, ``counts`` long, as the rows of a matrix. Shape: (n_sets, largest set)."""
    square = np.full((len(counts), int(counts.max(initial=0))), NO_BOUNDARY, dtype=np.int32)
    square[np.arange(square.shape[1]) < counts[:, None]] = rows
    return square


def offsets_of(lengths: Sequence[int] | Ids) -> Ids:
    """Where each of some runs of values begins, and where the last ends, from their lengths. Shape: (n + 1,)."""
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def character_kinds(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """What ``words.edges`` says of each sentence, end to end."""
    return np.frombuffer(b"".join(map(edges, texts)), dtype=np.uint8)

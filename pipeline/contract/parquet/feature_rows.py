"""Rows of shards as Python values, with the columns of ``schema.SHARDS``, and the boundaries selected for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


LONGEST_SENTENCE = 4096
"""Maximum characters of the sentences that text is cut into, offline and online; also the limit of a padded batch."""


class SelectedBoundaries(TypedDict):
    """The part of a row of ``schema.SELECTIONS`` that becomes features of a character in a segment."""

    best_id: int
    """The best boundary S_m; 0 for none."""
    best_cosine: float | None
    """None where ``best_id`` is 0."""
    set_ids: list[int]
    """The boundary set S_s, best first."""
    negative_ids: list[int]


class FeatureRow(TypedDict):
    """The features of a sentence, which follow from its text alone. The trainer and a tagger read the same features.

    All lists have one item per character, except those of windows, segments and matches. Boundary id 0 means none.
    """

    characters: list[str]
    token_ids: list[int]
    """The encoder's id of each character."""
    best_ids: list[int]
    """The best boundary S_m."""
    best_cosines: list[float]
    """0 where ``best_ids`` is 0."""
    set_ids: list[list[int]]
    """The boundary set S_s, best first."""
    negative_ids: list[list[int]]
    """Read in training only."""
    local_ids: list[int]
    """The local boundary."""
    segment_starts: list[int]
    """The first character of each segment."""
    window_starts: list[int]
    """The first character of each window of the encoder; [0] for a sentence that fits into one."""
    match_starts: list[int] | None
    """The first character of each vocabulary word inside the sentence, by (start, end); None without matches."""
    match_ends: list[int] | None
    """The position after the last character of each match."""
    match_ids: list[int] | None
    """The boundary id of each match."""


class EntityColumns(TypedDict):
    """A gold entity: its first character, the position after its last character, and its type."""

    start: int
    end: int
    label: str


class ShardRow(FeatureRow):
    """A complete row of ``schema.SHARDS``: features and gold."""

    sentence_id: int
    tag_ids: list[int] | None
    """None in text without labels."""
    entities: list[EntityColumns] | None
    """None in text without labels."""
    hidden_start: int | None
    """Index of the sentence's first row in ``part-*.hidden.npy``; None without hidden states."""


class EncoderStates(NamedTuple):
    """The frozen encoder's states of a sentence, as stored beside its row."""

    characters: npt.NDArray[np.float16]
    """Shape: (n_characters, width)"""
    specials: npt.NDArray[np.float16]
    """[CLS] and [SEP] of each window. Shape: (n_windows, 2, width)"""

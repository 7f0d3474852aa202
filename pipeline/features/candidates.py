"""The selection query of each character, and its answer (paper: W(c_i), S_k, S_m, S_s).

In vocabulary scope the answer depends on the pair (character, segment) alone, so equal queries are answered once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.boundary_selection import (
    NOTHING,
    Selection,
    SelectionColumns,
    cosines_with,
    select,
    select_at_random,
    select_rows,
    select_segment,
)
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.pmi import events_over
from ssmi.pipeline.features.text.segmentation import segment_of_each
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix, IntArray, Vocabulary

COSINES_AT_ONCE = 1 << 18
"""Of a character's candidates with several segments: so many stay in a processor's cache."""


class SelectionQuery(NamedTuple):
    """What a selection depends on."""

    character: str
    segment: str
    """The segment around the character."""
    candidates: tuple[int, ...] | None
    """Boundary ids, ascending; None in vocabulary scope: all boundaries of the character."""

    @property
    def order(self) -> tuple[str, str, tuple[int, ...]]:
        """Sorts queries so that those of one character are adjacent and share its candidates' vectors."""
        return self.character, self.segment, self.candidates or ()


def queries_of(
    characters: Sequence[str], segments: Sequence[str], starts: Sequence[int], *, vocabulary: Vocabulary, scope: str
) -> list[SelectionQuery]:
    """Make the selection query of each character of a sentence.

    Args:
        characters: One code point each.
        segments: They tile the sentence.
        starts: Each segment's first character.
        vocabulary: Its trie finds the candidates in sentence scope.
        scope: ``vocabulary`` takes every word that holds the character, ``sentence`` only those that match over its
            position.

    Returns:
        One query a character, in the sentence's order.
    """
    around = segment_of_each(segments, starts, n_characters=len(characters))
    if scope == "vocabulary":
        return [SelectionQuery(character, segment, None) for character, segment in zip(characters, around, strict=True)]
    over: list[list[int]] = [[] for _ in characters]
    positions, boundaries = events_over(vocabulary.trie.columns(SentenceColumns.of([characters])))
    for position, boundary in zip(positions.tolist(), boundaries.tolist(), strict=True):
        over[position].append(boundary)
    return [
        # Ascending, as select expects: ties then go to the lower id.
        SelectionQuery(character, segment, tuple(ids))
        for character, segment, ids in zip(characters, around, over, strict=True)
    ]


class OovVectors(Protocol):
    """Unit vectors of segments outside the vocabulary, read from the embed stage's files or made on line."""

    @property
    def boundaries(self) -> FloatMatrix | None:
        """BERT's vectors of all boundaries where such segments are compared in BERT's space (``embed.space: bert``)."""
        ...

    def of(self, segment: str) -> FloatArray:
        """The vector of a segment, in the space it is compared in. Shape: (d,), or (width,) of BERT."""
        ...


class CandidateSelector:
    """Answers selection queries; adjacent ones of one character share its candidates' gathered vectors."""

    def __init__(self, vocabulary: Vocabulary, outside: OovVectors, params: SelectionParams) -> None:
        self._vocabulary = vocabulary
        self._outside = outside
        self._params = params
        self._gathered_for: str | None = None
        self._gathered: dict[bool, FloatMatrix] = {}

    def answer(self, query: SelectionQuery) -> tuple[Selection, npt.NDArray[np.float32]]:
        """The selection and the cosines of all candidates it was made from. Shape: (candidates,)."""
        character, segment, candidates = query
        segment_id = self._vocabulary.id_of(segment)
        ids = self._candidates(character, candidates)
        if not len(ids):
            return NOTHING, np.empty(0, dtype=np.float32)
        cosines = self._cosines(query, ids, segments=[segment])[0]
        # Taken out of the cosines, not of the gathered vectors, which other segments with this character share.
        if self._params.exclude_segment and segment_id:
            others = ids != segment_id
            ids, cosines = ids[others], cosines[others]
        if self._params.choice == "random":
            return select_at_random(ids, cosines, character=character, segment=segment, params=self._params), cosines
        if self._params.choice == "segment":
            return select_segment(ids, cosines, segment_id=segment_id), cosines
        return select(ids, cosines, params=self._params), cosines

    @property
    def answers_by_character(self) -> bool:
        """Whether all segments around a character have the same candidates, and ``answer_character`` can be asked."""
        params = self._params
        return params.scope == "vocabulary" and params.choice == "cosine" and not params.exclude_segment

    def answer_character(
        self, character: str, segments: Sequence[str]
    ) -> Iterator[tuple[SelectionColumns, npt.NDArray[np.float32]]]:
        """The same as ``answer`` gives for each segment around a character, some segments at a time.

        Yields:
            The selections, and the cosines of all candidates. Shape: (segments, candidates)
        """
        ids = self._candidates(character, None)
        n_at_once = max(1, COSINES_AT_ONCE // max(1, len(ids)))
        for start in range(0, len(segments), n_at_once):
            some = segments[start : start + n_at_once]
            cosines = self._cosines(SelectionQuery(character, some[0], None), ids, segments=some)
            yield select_rows(ids, cosines, params=self._params), cosines

    def _cosines(self, query: SelectionQuery, ids: IntArray, *, segments: Sequence[str]) -> FloatMatrix:
        """Cosines of each segment with the query's candidates. Shape: (segments, candidates)."""
        return cosines_with(
            (self._vectors_to_compare(query, ids, segment) for segment in segments), shape=(len(segments), len(ids))
        )

    def _vectors_to_compare(self, query: SelectionQuery, ids: IntArray, segment: str) -> tuple[FloatMatrix, FloatArray]:
        """The candidates' vectors and the segment's, in one space. Shapes: (candidates, d or width), (d or width,)."""
        segment_id = self._vocabulary.id_of(segment)
        space = self._outside.boundaries if not segment_id else None
        vector = self._vocabulary.vectors[segment_id] if segment_id else self._outside.of(segment)
        return self._vectors_of(ids, query, space=space), vector

    def _candidates(self, character: str, candidates: tuple[int, ...] | None) -> IntArray:
        if candidates is None:
            return self._vocabulary.boundaries_of(character)
        return np.asarray(candidates, dtype=np.int32)

    def _vectors_of(self, ids: IntArray, query: SelectionQuery, *, space: FloatMatrix | None) -> FloatMatrix:
        """Vectors of the candidates in ``space``, None for the vocabulary's. Shape: (candidates, d or width)."""
        character, _, candidates = query
        matrix = self._vocabulary.vectors if space is None else space
        # In sentence scope candidates differ from query to query: there is nothing to share.
        if candidates is not None:
            return np.asarray(matrix[ids])
        if self._gathered_for != character:
            self._gathered_for, self._gathered = character, {}
        # By space too: in BERT's space the same candidates have other vectors.
        by_bert = space is not None
        if by_bert not in self._gathered:
            self._gathered[by_bert] = np.asarray(matrix[ids])
        return self._gathered[by_bert]

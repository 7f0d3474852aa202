"""The selection query of each character, and its answer (paper: W(c_i), S_k, S_m, S_s).

In vocabulary scope the answer depends only on the pair (character, segment), so equal queries are answered once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.boundary_selection import (
    Block,
    Selection,
    SelectionColumns,
    cosines_with,
    select_at_random,
    select_rows,
    select_segment,
)
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.pmi import events_over
from ssmi.pipeline.features.text.segmentation import segment_of_each
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix, IntArray, Vocabulary

COSINES_AT_ONCE = 1 << 18
"""Number of cosines (candidates x segments) computed at once, small enough to stay in a processor's cache."""


class Query(NamedTuple):
    """Everything that a selection depends on."""

    character: str
    segment: str
    """The segment that contains the character."""
    candidates: tuple[int, ...] | None
    """Boundary ids, ascending; None in vocabulary scope, where all boundaries of the character are candidates."""

    @property
    def order(self) -> tuple[str, str, tuple[int, ...]]:
        """Sort key that makes the queries of one character adjacent, so that they share its candidates' vectors."""
        return self.character, self.segment, self.candidates or ()


class QueryGroup(NamedTuple):
    """Selection queries that differ only in their segments."""

    character: str
    segments: Sequence[str]
    candidates: tuple[int, ...] | None = None
    """The candidates of every query, as in ``Query``."""


_Asked = tuple[QueryGroup, IntArray]
"""A group and its candidates."""


def queries_of(
    characters: Sequence[str], segments: Sequence[str], starts: Sequence[int], *, vocabulary: Vocabulary, scope: str
) -> list[Query]:
    """Make the selection query of each character of a sentence.

    Args:
        characters: One code point each.
        segments: Segments that tile the sentence.
        starts: The position of each segment's first character.
        vocabulary: The vocabulary, whose trie finds the candidates in sentence scope.
        scope: With ``vocabulary``, every word that contains the character is a candidate; with ``sentence``, only words
            that match over its position.

    Returns:
        One query per character, in the order of the sentence.
    """
    around = segment_of_each(segments, starts, n_characters=len(characters))
    if scope == "vocabulary":
        return [Query(character, segment, None) for character, segment in zip(characters, around, strict=True)]
    over: list[list[int]] = [[] for _ in characters]
    positions, boundaries = events_over(vocabulary.trie.columns(SentenceColumns.of([characters])))
    for position, boundary in zip(positions.tolist(), boundaries.tolist(), strict=True):
        over[position].append(boundary)
    return [
        # Ascending, as ``select_rows`` expects, so that ties go to the lower id.
        Query(character, segment, tuple(ids))
        for character, segment, ids in zip(characters, around, over, strict=True)
    ]


class OovVectors(Protocol):
    """Unit vectors of segments outside the vocabulary, read from the embed stage's files or computed online."""

    @property
    def boundaries(self) -> FloatMatrix | None:
        """BERT vectors of all boundaries with ``embed.space: bert``, where segments are compared in BERT's space."""
        ...

    def of(self, segment: str) -> FloatArray:
        """Return the vector of a segment in the space of the comparison. Shape: (d,), or BERT's (width,)."""
        ...


class CandidateSelector:
    """Answers selection queries; adjacent queries of one character share its candidates' gathered vectors."""

    def __init__(self, vocabulary: Vocabulary, outside: OovVectors, params: SelectionParams) -> None:
        self._vocabulary = vocabulary
        self._outside = outside
        self._params = params
        self._gathered_for: str | None = None
        self._gathered: dict[bool, FloatMatrix] = {}

    def answer(self, query: Query) -> tuple[Selection, FloatArray]:
        """Return the selection and the cosines of all its candidates. Shape: (candidates,)."""
        character, segment, candidates = query
        ((columns, cosines),) = self.answers([QueryGroup(character, [segment], candidates)])
        (selection,) = columns.selections()
        return selection, cosines

    def answers(self, groups: Iterable[QueryGroup]) -> Iterator[tuple[SelectionColumns, FloatArray]]:
        """Answer each segment of many groups, a batch at a time.

        Yields:
            The selections of a batch, and the concatenated cosines of all their candidates.
        """
        waiting: list[_Asked] = []
        n_waiting = 0
        for group in groups:
            ids = self._candidates(group)
            n_at_once = max(1, COSINES_AT_ONCE // max(1, len(ids)))
            for start in range(0, len(group.segments), n_at_once):
                some = group._replace(segments=group.segments[start : start + n_at_once])
                n_cosines = len(some.segments) * len(ids)
                if waiting and n_waiting + n_cosines > COSINES_AT_ONCE:
                    yield self._answers(waiting)
                    waiting, n_waiting = [], 0
                waiting.append((some, ids))
                n_waiting += n_cosines
        if waiting:
            yield self._answers(waiting)

    def _answers(self, asked: Sequence[_Asked]) -> tuple[SelectionColumns, FloatArray]:
        blocks = list(self._blocks(asked))
        if self._params.choice == "cosine":
            columns = select_rows([block for _, block in blocks], params=self._params)
        else:
            columns = SelectionColumns.of(
                [
                    self._not_by_cosine(ids, row, character=group.character, segment=segment)
                    for group, (ids, cosines) in blocks
                    for segment, row in zip(group.segments, cosines, strict=True)
                ]
            )
        return columns, np.concatenate([cosines.ravel() for _, (_, cosines) in blocks])

    def _not_by_cosine(self, ids: IntArray, cosines: FloatArray, *, character: str, segment: str) -> Selection:
        if self._params.choice == "random":
            return select_at_random(ids, cosines, character=character, segment=segment, params=self._params)
        return select_segment(ids, cosines, segment_id=self._vocabulary.id_of(segment))

    def _blocks(self, asked: Sequence[_Asked]) -> Iterator[tuple[QueryGroup, Block]]:
        """Yield the candidates of each group and their cosines with its segments."""
        for (group, ids), cosines in zip(asked, self._cosines(asked), strict=True):
            if not self._params.exclude_segment:
                yield group, (ids, cosines)
                continue
            for segment, row in zip(group.segments, cosines, strict=True):
                # Removed from the cosines, not from the gathered vectors, which other segments share.
                others = ids != (self._vocabulary.id_of(segment) or -1)
                yield group._replace(segments=[segment]), (ids[others], row[None, others])

    def _cosines(self, asked: Sequence[_Asked]) -> Iterator[FloatMatrix]:
        """Yield the cosines of each group's segments with its candidates. Shape of each: (segments, candidates)."""
        segments = [segment for group, ids in asked if len(ids) for segment in group.segments]
        boundaries = np.fromiter(map(self._vocabulary.id_of, segments), dtype=np.intp, count=len(segments))
        vectors = self._vocabulary.vectors.take(boundaries, axis=0)
        outside = np.flatnonzero(boundaries == 0)
        of_outside = [self._outside.of(segments[place]) for place in outside.tolist()]
        space = self._outside.boundaries
        if space is None:
            for place, vector in zip(outside.tolist(), of_outside, strict=True):
                vectors[place] = vector
        end = 0
        for group, ids in asked:
            if not len(ids):
                yield np.empty((len(group.segments), 0), dtype=np.float32)
                continue
            start, end = end, end + len(group.segments)
            cosines = cosines_with(self._vectors_of(ids, group, space=None), vectors[start:end])
            if space is not None:
                first, last = np.searchsorted(outside, (start, end)).tolist()
                if first < last:
                    by_bert = self._vectors_of(ids, group, space=space)
                    cosines[outside[first:last] - start] = cosines_with(by_bert, np.array(of_outside[first:last]))
            yield cosines

    def _candidates(self, group: QueryGroup) -> IntArray:
        if group.candidates is None:
            return self._vocabulary.boundaries_of(group.character)
        return np.asarray(group.candidates, dtype=np.int32)

    def _vectors_of(self, ids: IntArray, group: QueryGroup, *, space: FloatMatrix | None) -> FloatMatrix:
        """Gather the candidates' vectors in ``space`` (None: the vocabulary's). Shape: (candidates, d or width)."""
        matrix = self._vocabulary.vectors if space is None else space
        # In sentence scope candidates differ from query to query, so nothing can be shared.
        if group.candidates is not None:
            return matrix.take(ids, axis=0)
        if self._gathered_for != group.character:
            self._gathered_for, self._gathered = group.character, {}
        # Cached by space too: the same candidates have other vectors in BERT's space.
        by_bert = space is not None
        if by_bert not in self._gathered:
            self._gathered[by_bert] = matrix.take(ids, axis=0)
        return self._gathered[by_bert]

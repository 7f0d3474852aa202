"""A selector gives the same answers with freshly computed vectors as with stored ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.candidates import CandidateSelector, Query
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary, normalised
from ssmi.pipeline.online.oov_vectors import OnlineOovVectors

WORDS = ["中国", "国人", "中国人", "人民"]
SEGMENTS = ["甲", "乙", "丙", "丁"]
WIDTH, BERT_WIDTH = 5, 7


@pytest.fixture(scope="module")
def vocabulary(make_vocabulary: Callable[[list[str], FloatMatrix], Vocabulary]) -> Vocabulary:
    return make_vocabulary(WORDS, np.random.default_rng(1).normal(size=(len(WORDS), WIDTH)).astype(np.float32))


@given(fresh=st.sets(st.sampled_from(SEGMENTS)), by_bert=st.booleans())
def test_computed_and_stored_vectors_give_the_same_answers(
    vocabulary: Vocabulary, fresh: set[str], by_bert: bool
) -> None:
    """In either space, compare all vectors stored with some computed and the rest stored."""
    rng = np.random.default_rng(2)
    vectors = normalised(rng.normal(size=(len(SEGMENTS), WIDTH)).astype(np.float32))
    bert = normalised(rng.normal(size=(len(SEGMENTS), BERT_WIDTH)).astype(np.float32)) if by_bert else None
    boundaries = normalised(rng.normal(size=(len(WORDS) + 1, BERT_WIDTH)).astype(np.float32)) if by_bert else None
    matrix = vectors if bert is None else bert

    def stored(segments: list[str]) -> SegmentVectors:
        rows = [SEGMENTS.index(segment) for segment in segments]
        return SegmentVectors(
            {segment: row for row, segment in enumerate(segments)},
            vectors[rows],
            None if bert is None else bert[rows],
            boundaries,
        )

    outside = OnlineOovVectors(
        {segment: matrix[SEGMENTS.index(segment)] for segment in fresh}, stored([s for s in SEGMENTS if s not in fresh])
    )
    params = SelectionParams(threshold=-1.0)
    with_computed = CandidateSelector(vocabulary, outside, params)
    with_stored = CandidateSelector(vocabulary, stored(SEGMENTS), params)
    for segment in SEGMENTS:
        query = Query("国", segment, None)
        (answer, cosines), (expected, expected_cosines) = with_computed.answer(query), with_stored.answer(query)
        assert answer == expected and cosines.tobytes() == expected_cosines.tobytes()


def test_computed_vectors_have_precedence_over_stored_ones() -> None:
    stored = SegmentVectors({"甲": 0}, np.ones((1, 2), np.float32), None, None)
    outside = OnlineOovVectors({"甲": np.zeros(2, np.float32)}, stored)
    assert outside.of("甲").tolist() == [0, 0] and stored.of("甲").tolist() == [1, 1]
    with pytest.raises(KeyError, match="乙"):
        outside.of("乙")

"""The query of each character and its answer, compared with plain loops over the whole vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.candidates import CandidateSelector, Query, queries_of
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary

WORDS = ["中国", "国人", "中国人", "人民", "人人", "民国", "大中国", "人中", "𠀀国", "国a"]
SEGMENTS = ["中国", "人民", "国人民", "外", "中国人", "无"]
"""The first, second and fifth are in the vocabulary; the last has a zero vector."""
D, WIDTH = 6, 11

Vectors = tuple[Vocabulary, SegmentVectors]


def _unit(matrix: FloatMatrix) -> FloatMatrix:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors(make_vocabulary: Callable[[list[str], FloatMatrix], Vocabulary]) -> Vectors:
    rng = np.random.default_rng(11)
    vocabulary = make_vocabulary(WORDS, rng.normal(size=(len(WORDS), D)).astype(np.float32))
    unit = _unit(rng.normal(size=(len(SEGMENTS), D)))
    for row, segment in enumerate(SEGMENTS):
        if segment in vocabulary:
            unit[row] = vocabulary.vectors[vocabulary[segment]]
    unit[-1] = 0
    boundaries = _unit(rng.normal(size=(len(WORDS) + 1, WIDTH)))
    boundaries[0] = 0
    bert = _unit(rng.normal(size=(len(SEGMENTS), WIDTH)))
    bert[-1] = 0
    return vocabulary, SegmentVectors({segment: row for row, segment in enumerate(SEGMENTS)}, unit, bert, boundaries)


def _aligned(vectors: Vectors) -> SegmentVectors:
    return replace(vectors[1], bert=None, boundaries=None)


# --- queries --------------------------------------------------------------------------------------------------------


def test_a_query_in_vocabulary_scope_is_a_character_and_its_segment(vectors: Vectors) -> None:
    queries = queries_of(list("中国人民"), ["中国", "人民"], [0, 2], vocabulary=vectors[0], scope="vocabulary")
    assert queries == [("中", "中国", None), ("国", "中国", None), ("人", "人民", None), ("民", "人民", None)]
    assert queries_of([], [], [], vocabulary=vectors[0], scope="vocabulary") == []


def test_a_query_in_sentence_scope_lists_the_words_over_its_position(vectors: Vectors) -> None:
    queries = queries_of(list("中国人民"), ["中国", "人民"], [0, 2], vocabulary=vectors[0], scope="sentence")
    assert queries == [
        ("中", "中国", (1, 3)),
        ("国", "中国", (1, 2, 3)),
        ("人", "人民", (2, 3, 4)),
        ("民", "人民", (4,)),
    ]


@given(characters=st.lists(st.sampled_from("中国人民𠀀"), max_size=12), data=st.data())
def test_candidates_of_a_sentence_equal_a_search(vectors: Vectors, characters: list[str], data: st.DataObject) -> None:
    starts = sorted(data.draw(st.sets(st.integers(1, max(1, len(characters) - 1)))) | {0}) if characters else []
    starts = [start for start in starts if start < len(characters)]
    ends = [*starts, len(characters)][1:]
    segments = ["".join(characters[start:end]) for start, end in zip(starts, ends, strict=True)]
    make_queries = partial(queries_of, characters, segments, starts, vocabulary=vectors[0])
    expected: list[Query] = []
    for position, character in enumerate(characters):
        over = set()
        for start in range(position + 1):
            for end in range(position + 1, len(characters) + 1):
                if "".join(characters[start:end]) in WORDS:
                    over.add(WORDS.index("".join(characters[start:end])) + 1)
        segment = next(s for s, b, e in zip(segments, starts, ends, strict=True) if b <= position < e)
        expected.append((character, segment, tuple(sorted(over))))
    assert make_queries(scope="sentence") == expected
    assert make_queries(scope="vocabulary") == [(character, segment, None) for character, segment, _ in expected]


# --- answers ----------------------------------------------------------------------------------------------------------

QUERIES = [
    *(Query(character, segment, None) for character in "中国人民a外" for segment in SEGMENTS),
    *(Query("国", segment, (1, 2, 3)) for segment in SEGMENTS),
    *(Query("人", segment, ids) for segment in SEGMENTS for ids in ((), (4,), (2, 3, 4, 5, 8))),
]


def _cosines_by_loops(query: Query, vocabulary: Vocabulary, segments: SegmentVectors) -> dict[int, float]:
    character, segment, candidates = query
    row = SEGMENTS.index(segment)
    if candidates is None:
        candidates = tuple(number for number, word in enumerate(WORDS, start=1) if character in word)
    by_bert = segments.bert is not None and segments.boundaries is not None and segment not in WORDS
    left, right = (segments.bert, segments.boundaries) if by_bert else (segments.vectors, vocabulary.vectors)
    assert left is not None and right is not None
    return {
        number: math.fsum(x * y for x, y in zip(left[row].tolist(), right[number].tolist(), strict=True))
        for number in candidates
    }


@pytest.mark.parametrize("space", ["aligned", "bert"])
@pytest.mark.parametrize("exclude_segment", [False, True])
@pytest.mark.parametrize("threshold", [-0.2, 0.5])
def test_answers_equal_plain_loops(vectors: Vectors, space: str, exclude_segment: bool, threshold: float) -> None:
    vocabulary, segments = vectors
    segments = _aligned(vectors) if space == "aligned" else segments
    params = SelectionParams(exclude_segment=exclude_segment, threshold=threshold, max_set=2, n_negatives=3)
    selector = CandidateSelector(vocabulary, segments, params)
    for query in QUERIES:
        expected = _cosines_by_loops(query, vocabulary, segments)
        if exclude_segment and query.segment in WORDS:
            expected.pop(WORDS.index(query.segment) + 1, None)
        selection, cosines = selector.answer(query)
        assert cosines.tolist() == pytest.approx(list(expected.values()), abs=1e-6)
        assert selection.n_candidates == len(expected)
        # ranked by the cosines that were returned, so that rounding in the last place cannot change the order
        exact = dict(zip(expected, cosines.tolist(), strict=True))
        best_first = sorted(exact, key=lambda number: (-exact[number], number))
        chosen = [number for number in best_first if exact[number] > threshold][:2]
        lowest = sorted(exact, key=lambda number: (exact[number], number))
        assert selection.best_id == (best_first[0] if best_first else 0)
        assert selection.best_cosine == (exact[best_first[0]] if best_first else None)
        assert selection.set_ids == chosen or not (selection.set_ids or chosen)
        assert list(selection.set_cosines) == [exact[number] for number in chosen]
        assert list(selection.negative_ids) == [number for number in lowest if number not in chosen][:3]


def test_a_vocabulary_word_is_its_own_best_boundary_unless_excluded(vectors: Vectors) -> None:
    vocabulary, segments = vectors
    for space in (segments, _aligned(vectors)):
        included, _ = CandidateSelector(vocabulary, space, SelectionParams()).answer(Query("国", "中国", None))
        assert included.best_id == vocabulary["中国"] and included.best_cosine == pytest.approx(1, abs=1e-6)
        other, _ = CandidateSelector(vocabulary, space, SelectionParams(exclude_segment=True)).answer(
            Query("国", "中国", None)
        )
        ids = {other.best_id, *other.set_ids, *other.negative_ids}
        assert vocabulary["中国"] not in ids and other.n_candidates == included.n_candidates - 1


def test_a_segment_with_a_zero_vector_has_cosine_zero_with_all(vectors: Vectors) -> None:
    for space in (vectors[1], _aligned(vectors)):
        selection, cosines = CandidateSelector(vectors[0], space, SelectionParams()).answer(Query("国", "无", None))
        assert not cosines.any()
        assert (selection.best_id, selection.best_cosine, list(selection.set_ids)) == (1, 0.0, [])


@pytest.mark.parametrize("space", ["aligned", "bert"])
@pytest.mark.parametrize("choice", ["cosine", "random", "segment"])
@given(order=st.permutations(QUERIES))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_does_not_depend_on_other_queries(
    vectors: Vectors, space: str, choice: str, order: list[Query]
) -> None:
    vocabulary, segments = vectors
    segments = _aligned(vectors) if space == "aligned" else segments
    params = SelectionParams(choice=choice, threshold=0.1)
    shared = CandidateSelector(vocabulary, segments, params)
    for query in order:
        selection, cosines = shared.answer(query)
        alone, alone_cosines = CandidateSelector(vocabulary, segments, params).answer(query)
        assert selection == alone
        assert cosines.tobytes() == alone_cosines.tobytes()


def test_cosines_have_the_same_bits_alone_and_in_a_batch(
    make_vocabulary: Callable[[list[str], FloatMatrix], Vocabulary],
) -> None:
    rng = np.random.default_rng(3)
    words = sorted({"中" + "".join(map(chr, rng.integers(0x4E00, 0x4F00, 2))) for _ in range(700)})
    vocabulary = make_vocabulary(words, rng.normal(size=(len(words), 100)).astype(np.float32))
    names = [f"段{number}" for number in range(40)]
    segments = SegmentVectors(
        {name: row for row, name in enumerate(names)}, _unit(rng.normal(size=(40, 100))), None, None
    )
    queries: list[Query] = [Query("中", name, None) for name in names]
    together = CandidateSelector(vocabulary, segments, SelectionParams())
    for query in queries:
        alone = CandidateSelector(vocabulary, segments, SelectionParams()).answer(query)[1]
        assert together.answer(query)[1].tobytes() == alone.tobytes() and len(alone) == len(words)


def test_random_choice_obeys_exclude_segment(vectors: Vectors) -> None:
    params = SelectionParams(choice="random", exclude_segment=True, max_set=50, n_negatives=50)
    selection, _ = CandidateSelector(*vectors, params).answer(Query("国", "中国", None))
    expected = {number for number, word in enumerate(WORDS, start=1) if "国" in word and word != "中国"}
    assert set(selection.set_ids) == expected


@pytest.mark.parametrize("scope", ["vocabulary", "sentence"])
def test_segment_choice_selects_only_segments_in_the_vocabulary(vectors: Vectors, scope: str) -> None:
    vocabulary = vectors[0]
    params = SelectionParams(choice="segment", threshold=-1.0, scope=scope)
    characters, segments, starts = list("中国人外人民"), ["中国人", "外", "人民"], [0, 3, 4]
    for query in queries_of(characters, segments, starts, vocabulary=vocabulary, scope=scope):
        selection, cosines = CandidateSelector(*vectors, params).answer(query)
        number = vocabulary.get(query.segment, 0)
        assert (number > 0) is (query.segment != "外")
        assert (selection.best_id, selection.n_candidates) == (number, len(cosines))
        assert selection.best_cosine == (pytest.approx(1.0) if number else None)
        assert not selection.set_ids and not selection.negative_ids and not selection.set_cosines

"""Selection of the best boundary, the set and the negatives, compared with plain loops over all candidates."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.boundary_selection import (
    EMPTY_SELECTION,
    HISTOGRAM_BINS,
    Block,
    Selection,
    SelectionColumns,
    cosines_with,
    histogram,
    select_at_random,
    select_rows,
)

# A coarse grid, so that ties and values on the threshold are common.
COSINES = st.lists(st.integers(-4, 4).map(lambda n: n / 4) | st.floats(-1, 1, width=32), max_size=25)
PARAMS = st.builds(
    SelectionParams,
    threshold=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]),
    max_set=st.integers(1, 6),
    n_negatives=st.integers(0, 6),
)

_NOTHING = replace(EMPTY_SELECTION, set_ids=[], set_cosines=[], negative_ids=[])
"""The empty selection with lists, as rows have it."""


def _ids(cosines: list[float]) -> list[int]:
    return [3 * place + 2 for place in range(len(cosines))]


def _select(cosines: list[float], params: SelectionParams) -> Selection:
    block = np.array(_ids(cosines), np.int32), np.array([cosines], np.float32)
    (selection,) = select_rows([block], params=params).selections()
    return selection


def _select_by_loops(cosines: list[float], params: SelectionParams) -> Selection:
    candidates = list(zip(_ids(cosines), cosines, strict=True))
    if not candidates:
        return _NOTHING
    best = candidates[0]
    for candidate in candidates:
        if candidate[1] > best[1]:
            best = candidate
    over = [candidate for candidate in candidates if candidate[1] > params.threshold]
    chosen = sorted(over, key=lambda candidate: (-candidate[1], candidate[0]))[: params.max_set]
    others = sorted((c for c in candidates if c not in chosen), key=lambda candidate: (candidate[1], candidate[0]))
    return Selection(
        best_id=best[0],
        best_cosine=best[1],
        set_ids=[number for number, _ in chosen],
        set_cosines=[cosine for _, cosine in chosen],
        negative_ids=[number for number, _ in others[: params.n_negatives]],
        n_candidates=len(candidates),
    )


@given(COSINES, PARAMS)
def test_select_equals_plain_loops(cosines: list[float], params: SelectionParams) -> None:
    assert _select(cosines, params) == _select_by_loops(cosines, params)


@st.composite
def _matrices(draw: st.DrawFn) -> list[list[float]]:
    width = draw(st.integers(0, 40))
    coarse = st.integers(-4, 4).map(lambda n: n / 4) | st.floats(-1, 1, width=32)
    return draw(st.lists(st.lists(coarse, min_size=width, max_size=width), min_size=1, max_size=5))


def _block(cosines: list[list[float]]) -> Block:
    ids = np.array(_ids(cosines[0]), np.int32)
    return ids, np.array(cosines, np.float32).reshape(len(cosines), len(ids))


@given(st.lists(_matrices(), min_size=1, max_size=4), PARAMS)
def test_many_segments_at_once_equal_single_ones(matrices: list[list[list[float]]], params: SelectionParams) -> None:
    together = select_rows([_block(cosines) for cosines in matrices], params=params)
    expected_selections = [_select_by_loops(row, params) for cosines in matrices for row in cosines]
    assert list(together.selections()) == [
        replace(one, set_ids=list(one.set_ids), set_cosines=list(one.set_cosines), negative_ids=list(one.negative_ids))
        for one in expected_selections
    ]
    alone = SelectionColumns.of(expected_selections)
    for column in fields(SelectionColumns):
        expected, found = getattr(alone, column.name), getattr(together, column.name)
        assert (found.tolist(), found.dtype) == (expected.tolist(), expected.dtype), column.name


@pytest.mark.parametrize("threshold", [-1.0, -0.1, 0.1, 0.5])
@pytest.mark.parametrize("grid", [None, 32])
def test_long_rows_equal_plain_loops(threshold: float, grid: int | None, rng: np.random.Generator) -> None:
    # Long enough that the limits leave out most of a row; on a grid, many values tie with the last chosen one.
    params = SelectionParams(threshold=threshold, max_set=3, n_negatives=4)
    matrices = [rng.uniform(-1, 1, (n_segments, width)) for n_segments, width in ((3, 500), (1, 9), (2, 15), (4, 90))]
    if grid:
        matrices = [np.round(matrix * grid) / grid for matrix in matrices]
    cosines = [matrix.astype(np.float32).tolist() for matrix in matrices]
    together = list(select_rows([_block(matrix) for matrix in cosines], params=params).selections())
    assert together == [_select_by_loops(row, params) for matrix in cosines for row in matrix]


def test_objects_and_concatenated_columns_are_equal() -> None:
    one = Selection(7, 0.75, [7, 8], [0.75, 0.5], [1], 9)
    columns = SelectionColumns.of([one, EMPTY_SELECTION, one])
    assert columns.best_ids.tolist() == [7, 0, 7] and columns.best_cosines.tolist() == [0.75, 0.0, 0.75]
    assert columns.set_lengths.tolist() == [2, 0, 2] and columns.set_ids.tolist() == [7, 8, 7, 8]
    assert columns.set_cosines.tolist() == [0.75, 0.5, 0.75, 0.5]
    assert columns.negative_lengths.tolist() == [1, 0, 1] and columns.negative_ids.tolist() == [1, 1]
    assert columns.n_candidates.tolist() == [9, 0, 9]
    empty_selection = replace(EMPTY_SELECTION, set_ids=[], set_cosines=[], negative_ids=[])
    assert list(columns.selections()) == [one, empty_selection, one]
    pieces = SelectionColumns.concatenated([SelectionColumns.of([one]), SelectionColumns.of([EMPTY_SELECTION, one])])
    assert all(
        getattr(pieces, field.name).tolist() == getattr(columns, field.name).tolist() for field in fields(pieces)
    )


def test_select_by_hand() -> None:
    params = SelectionParams(threshold=0.5, max_set=2, n_negatives=3)
    selection = _select([0.5, 0.75, -0.25, 0.625, 0.75, -0.5, -0.25], params)  # ids 2 5 8 11 14 17 20
    assert (selection.best_id, selection.best_cosine) == (5, 0.75)  # 5 and 14 tie
    assert (selection.set_ids, selection.set_cosines) == ([5, 14], [0.75, 0.75])  # 11 is over the threshold but third
    assert selection.negative_ids == [17, 8, 20]
    assert selection.n_candidates == 7


def test_a_cosine_equal_to_the_threshold_is_not_selected() -> None:
    params = SelectionParams(threshold=0.6, n_negatives=0)
    threshold = float(np.float32(0.6))
    over = float(np.nextafter(np.float32(0.6), np.float32(1)))
    assert _select([threshold], params).set_ids == [] and _select([threshold], params).best_id == 2
    assert _select([over], params).set_ids == [2]


def test_negatives_exclude_the_set_but_not_the_best() -> None:
    assert _select([0.9, 0.8], SelectionParams(threshold=0.5)).negative_ids == []
    alone = _select([0.2], SelectionParams(threshold=0.5))
    assert (alone.best_id, alone.set_ids, alone.negative_ids) == (2, [], [2])


def test_ties_with_the_set_can_be_negatives() -> None:
    # 2 and 5 are as low as 8 and come first among the lowest, but they are in the set
    selection = _select([0.75, 0.75, 0.75], SelectionParams(threshold=0.5, max_set=2, n_negatives=1))
    assert (selection.set_ids, selection.negative_ids) == ([2, 5], [8])


def test_no_candidates_give_an_empty_selection() -> None:
    empty = np.zeros(0, np.int32), np.zeros(0, np.float32)
    assert _select([], SelectionParams()) == _NOTHING
    assert select_at_random(*empty, character="中", segment="中国", params=SelectionParams()) == EMPTY_SELECTION
    assert (EMPTY_SELECTION.best_id, EMPTY_SELECTION.best_cosine, EMPTY_SELECTION.n_candidates) == (0, None, 0)


def _at_random(n: int, params: SelectionParams, *, character: str = "中", segment: str = "中国") -> Selection:
    ids, cosines = np.arange(10, 10 + n, dtype=np.int32), np.linspace(-1, 1, n, dtype=np.float32)
    return select_at_random(ids, cosines, character=character, segment=segment, params=params)


@given(st.integers(1, 30), PARAMS, st.text(min_size=1, max_size=1), st.text(max_size=4))
def test_random_choice_draws_distinct_candidates(n: int, params: SelectionParams, character: str, segment: str) -> None:
    selection = _at_random(n, params, character=character, segment=segment)
    cosine_of = dict(zip(range(10, 10 + n), np.linspace(-1, 1, n, dtype=np.float32).tolist(), strict=True))
    assert selection.best_id in selection.set_ids and selection.best_cosine == cosine_of[selection.best_id]
    assert len(selection.set_ids) == len(set(selection.set_ids)) == min(n, params.max_set)
    assert list(selection.set_cosines) == [cosine_of[number] for number in selection.set_ids]
    negatives = set(selection.negative_ids)
    assert len(negatives) == len(selection.negative_ids) == min(params.n_negatives, n - len(selection.set_ids))
    assert negatives.isdisjoint(selection.set_ids) and negatives <= set(cosine_of)
    assert selection == _at_random(n, params, character=character, segment=segment)


def test_random_choice_depends_on_seed_character_and_segment() -> None:
    params = SelectionParams(max_set=1)
    assert _at_random(10**6, params) != _at_random(10**6, params.model_copy(update={"seed": 14}))
    assert _at_random(10**6, params) != _at_random(10**6, params, character="国")
    assert _at_random(10**6, params) != _at_random(10**6, params, segment="国")
    counts = [0] * 5
    for number in range(1000):
        counts[_at_random(5, params, segment=str(number)).best_id - 10] += 1
    assert min(counts) > 140 and max(counts) < 260  # 200 expected; the bounds are over four deviations away


def test_cosines_equal_a_plain_sum(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(20, 50))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    together = cosines_with(vectors, vectors[[5, 3]])
    cosines = together[1]
    for cosine, vector in zip(cosines.tolist(), vectors.tolist(), strict=True):
        expected = math.fsum(left * right for left, right in zip(vector, vectors[3].tolist(), strict=True))
        assert cosine == pytest.approx(expected, abs=1e-6)
    assert cosines.dtype == np.float32 and cosines.max() <= 1.0
    assert cosines_with(vectors, vectors[[3]])[0].tobytes() == cosines.tobytes()
    assert cosines_with(vectors[:0], vectors[[3]]).shape == (1, 0)


def test_cosines_equal_a_matrix_vector_product_exactly(rng: np.random.Generator) -> None:
    for n_candidates in (1, 2, 7, 109, 2186):
        vectors, segments = (rng.normal(size=(n, 100)).astype(np.float32) / 20 for n in (n_candidates, 40))
        cosines = cosines_with(vectors, segments)
        for row, segment in zip(cosines, segments, strict=True):
            assert row.tobytes() == np.clip(np.matmul(vectors, segment), -1, 1).tobytes()


def test_rounded_cosines_stay_between_minus_one_and_one() -> None:
    over = np.full((1, 4), 0.5001, np.float32)
    assert cosines_with(np.concatenate([over, -over]), over).tolist() == [[1.0, -1.0]]


@given(st.lists(st.floats(-1, 1, width=32), max_size=40))
def test_histogram_counts_every_cosine_in_its_bin(cosines: list[float]) -> None:
    expected = [0] * HISTOGRAM_BINS
    for cosine in cosines:
        expected[min(math.floor((cosine + 1) * 50), HISTOGRAM_BINS - 1)] += 1
    assert histogram(np.array(cosines, np.float32)).tolist() == expected


def test_histogram_by_hand() -> None:
    counts = histogram(np.array([-1, -0.99, 0, 0.25, 0.999, 1], np.float32))
    assert {place: count for place, count in enumerate(counts.tolist()) if count} == {0: 2, 50: 1, 62: 1, 99: 2}

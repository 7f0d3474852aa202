"""The map from BERT's space to the vocabulary's, compared with an independent solution of the normal equations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from ssmi.pipeline.features.alignment import SpanMeanAccumulator, fit_alignment, isolated_vectors
from ssmi.pipeline.features.vocabulary import normalised

Doubles = npt.NDArray[np.float64]


def _unit(matrix: Doubles) -> Doubles:
    return matrix / np.sqrt((matrix**2).sum(axis=1, keepdims=True))


def test_a_known_linear_map_is_recovered(rng: np.random.Generator) -> None:
    sources = rng.normal(1.0, 3.0, size=(2000, 12)).astype(np.float32)
    true, shift = rng.normal(size=(12, 7)), rng.normal(size=7)
    targets = (sources @ true + shift).astype(np.float32)
    alignment = fit_alignment(sources, targets, ridge=1e-9, seed=1)
    assert (alignment.n_fitted, alignment.n_held_out) == (1800, 200)
    assert alignment.held_out_cosine == pytest.approx(1, abs=1e-6)
    new = rng.normal(1.0, 3.0, size=(50, 12)).astype(np.float32)
    np.testing.assert_allclose(alignment.apply(new), _unit(new.astype(np.float64) @ true + shift), atol=1e-5)


def test_the_shuffled_control_is_near_zero(rng: np.random.Generator) -> None:
    sources = rng.normal(size=(2000, 12)).astype(np.float32)
    targets = _unit(sources @ rng.normal(size=(12, 20)) + 0.3 * rng.normal(size=(2000, 20))).astype(np.float32)
    alignment = fit_alignment(sources, targets, ridge=0.1, seed=3)
    assert abs(alignment.shuffled_cosine) < 0.1 < 0.9 < alignment.held_out_cosine


def test_a_useless_map_is_no_better_than_the_control(rng: np.random.Generator) -> None:
    sources, targets = rng.normal(size=(1000, 8)), _unit(rng.normal(size=(1000, 30)))
    alignment = fit_alignment(sources.astype(np.float32), targets.astype(np.float32), ridge=1.0, seed=3)
    assert abs(alignment.held_out_cosine - alignment.shuffled_cosine) < 0.1


def _ridge_with_constant(x: Doubles, y: Doubles, *, ridge: float) -> Doubles:
    """Minimise |y - [x 1] w|^2 + ridge n |w|^2 by its normal equations, without a penalty on the constant."""
    n, width = x.shape
    with_constant = np.hstack([x, np.ones((n, 1))])
    penalty = np.diag([ridge * n] * width + [0.0])
    return np.linalg.inv(with_constant.T @ with_constant + penalty) @ (with_constant.T @ y)


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 30.0])
def test_the_map_is_the_ridge_solution_on_nine_tenths_of_the_rows(rng: np.random.Generator, ridge: float) -> None:
    n = 24
    sources = rng.normal(5.0, 20.0, size=(n, 4)).astype(np.float32)
    targets = _unit(sources @ rng.normal(size=(4, 3)) + rng.normal(size=(n, 3))).astype(np.float32)
    alignment = fit_alignment(sources, targets, ridge=ridge, seed=2)
    x, y = sources.astype(np.float64), targets.astype(np.float64)
    # the mean of the fitted rows identifies the two that were held out
    held_out = [
        pair for pair in combinations(range(n), 2) if np.allclose(np.delete(x, pair, 0).mean(0), alignment.mean)
    ]
    assert len(held_out) == 1 and (alignment.n_fitted, alignment.n_held_out) == (22, 2)
    fitted = np.delete(np.arange(n), held_out[0])
    deviation = np.sqrt(((x[fitted] - x[fitted].mean(0)) ** 2).sum(0) / len(fitted))
    standard = (x - x[fitted].mean(0)) / deviation
    weights = _ridge_with_constant(standard[fitted], y[fitted], ridge=ridge)
    predicted = np.hstack([standard, np.ones((n, 1))]) @ weights
    np.testing.assert_allclose(alignment.apply(sources), _unit(predicted), atol=1e-6)
    np.testing.assert_allclose(alignment.weights, weights[:-1], atol=1e-6)
    np.testing.assert_allclose(alignment.offset, weights[-1], atol=1e-6)
    rows = list(held_out[0])
    cosines = (_unit(predicted[rows]) * _unit(y[rows])).sum(axis=1)
    assert alignment.held_out_cosine == pytest.approx(cosines.mean(), abs=1e-6)


def test_only_the_seed_determines_the_held_out_rows(rng: np.random.Generator) -> None:
    sources = rng.normal(size=(60, 5)).astype(np.float32)
    targets = rng.normal(size=(60, 4)).astype(np.float32)
    first, same, other = (fit_alignment(sources, targets, ridge=1.0, seed=seed) for seed in (1, 1, 2))
    assert first.weights.tobytes() == same.weights.tobytes()
    assert (first.held_out_cosine, first.shuffled_cosine) == (same.held_out_cosine, same.shuffled_cosine)
    assert not np.array_equal(first.mean, other.mean)


def test_zero_rows_stay_zero_and_others_get_unit_length(rng: np.random.Generator) -> None:
    sources = rng.normal(3.0, 1.0, size=(40, 5)).astype(np.float32)
    alignment = fit_alignment(sources, rng.normal(size=(40, 4)).astype(np.float32), ridge=1.0, seed=1)
    states = rng.normal(size=(6, 5)).astype(np.float32)
    states[[1, 4]] = 0
    mapped = alignment.apply(states)
    assert mapped.dtype == np.float32 and not mapped[[1, 4]].any()
    np.testing.assert_allclose(np.linalg.norm(mapped[[0, 2, 3, 5]], axis=1), 1, atol=1e-6)
    assert alignment.apply(states[:0]).shape == (0, 4)


def test_a_constant_dimension_does_not_prevent_a_fit(rng: np.random.Generator) -> None:
    sources = rng.normal(size=(200, 6)).astype(np.float32)
    sources[:, 2] = 1.5
    targets = (sources @ rng.normal(size=(6, 3))).astype(np.float32)
    assert fit_alignment(sources, targets, ridge=1e-6, seed=1).held_out_cosine > 0.999


# --- the map on disk, and one segment at a time -----------------------------------------------------------------------


def test_a_row_has_the_same_bits_alone_and_in_a_batch(rng: np.random.Generator) -> None:
    """At the widths of real encoders, a matrix-matrix product rounds differently from a matrix-vector product."""
    sources, targets = rng.normal(size=(500, 384)), rng.normal(size=(500, 100))
    alignment = fit_alignment(sources.astype(np.float32), targets.astype(np.float32), ridge=1.0, seed=1)
    states = rng.normal(size=(70, 384)).astype(np.float32)
    together = alignment.apply(states)
    for row in range(len(states)):
        assert alignment.apply(states[row : row + 1]).tobytes() == together[row].tobytes()
        assert normalised(states[row : row + 1]).tobytes() == normalised(states)[row].tobytes()
    assert alignment.apply(states[:33]).tobytes() == together[:33].tobytes()


def test_means_of_segments_alone_and_over_their_occurrences() -> None:
    def encode(texts: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        return [np.array([[ord(one), place] for place, one in enumerate(text)], dtype=np.float32) for text in texts]

    assert isolated_vectors(["ac", "b"], encode).tolist() == [[98, 0.5], [98, 0]]
    occurrences = SpanMeanAccumulator({"ac": 4})
    occurrences.add(encode(["acbac"])[0], segments=["ac", "b", "ac"], starts=[0, 2, 3])
    occurrences.add(encode(["b"])[0], segments=["b"], starts=[0])
    assert occurrences.counts == {4: 2}
    assert (occurrences.sums[4] / 2).tolist() == [98, 2]

"""Discriminant analysis from sums, compared with scikit-learn's; decoding restricted to well-formed sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ssmi.pipeline.contract.labels import LabelSet, spans_to_tags, strict_spans
from tests.bench.probing.linear_tagger import Sums, decode, discriminant


def _data(seed: int, *, n: int = 200, width: int = 6, n_tags: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    tags = np.concatenate((np.arange(n_tags), random.integers(0, n_tags, n - n_tags)))
    return (random.normal(size=(n, width)) + tags[:, None] * random.normal(size=width)).astype(np.float32), tags


@given(seed=st.integers(0, 2**32 - 1), shrinkage=st.floats(0.001, 1.0))
def test_probabilities_equal_those_of_scikit_learn(seed: int, shrinkage: float) -> None:
    features, tags = _data(seed)
    weights, biases = discriminant(Sums.of(features, tags, n_tags=4), shrinkage=shrinkage)
    scores = features.astype(np.float64) @ weights + biases
    log_probabilities = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(features, tags)
    np.testing.assert_allclose(np.exp(log_probabilities), reference.predict_proba(features), atol=1e-3)


def test_sums_can_be_added_and_restricted_to_columns() -> None:
    features, tags = _data(3)
    columns = np.array([4, 0, 1])
    parts = Sums.of(features[:70], tags[:70], n_tags=4) + Sums.of(features[70:], tags[70:], n_tags=4)
    direct = Sums.of(features[:, columns], tags, n_tags=4)
    for name in ("counts", "totals", "products"):
        np.testing.assert_allclose(getattr(parts.take(columns), name), getattr(direct, name), rtol=1e-4, atol=1e-3)


def test_a_tag_without_characters_is_never_predicted() -> None:
    features, tags = _data(5)
    weights, biases = discriminant(Sums.of(features, tags, n_tags=6), shrinkage=0.1)
    assert np.isfinite(biases).all()
    assert set((features @ weights + biases).argmax(1).tolist()) <= set(range(4))


@pytest.mark.parametrize("scheme", ["BIO", "BMES"])
def test_the_best_well_formed_sequence_is_found(scheme: str) -> None:
    """Compare with all sequences that survive strict reading and writing."""
    labels = LabelSet.of(["PER", "LOC"], scheme=scheme)  # type: ignore[arg-type]
    random = np.random.default_rng(7)
    emissions = [random.normal(size=(length, len(labels.tags))).astype(np.float32) for length in (3, 1, 4)]
    for scores, spans in zip(emissions, decode(emissions, labels), strict=True):
        best = max(
            (
                path
                for path in itertools.product(range(len(labels.tags)), repeat=len(scores))
                if _is_well_formed(path, labels)
            ),
            key=lambda path: sum(scores[index, tag] for index, tag in enumerate(path)),
        )
        assert spans == strict_spans([labels.tags[tag] for tag in best], scheme=labels.scheme)[0]


def _is_well_formed(path: tuple[int, ...], labels: LabelSet) -> bool:
    tags = [labels.tags[tag] for tag in path]
    spans = strict_spans(tags, scheme=labels.scheme)[0]
    return spans_to_tags(spans, n_characters=len(tags), scheme=labels.scheme) == tags

"""A linear tagger of frozen features over folds, in closed form.

Linear discriminant analysis with a shrunk covariance, as in scikit-learn's solver ``lsqr`` (a test compares the two):
log p(tag | x) = x·w + b up to a constant, with w = Σ⁻¹ mean and b = log p(tag) − mean·w / 2. It needs only counts, sums
and products of features, so that all folds, and all sets of features, share those of one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

from ssmi.model.data.folds import assign
from ssmi.model.evaluation.sentence_counts import SentenceCounts, count
from ssmi.model.network.layers.crf import ConstrainedCrf
from ssmi.pipeline.contract.labels import LabelSet, Span, strict_spans
from tests.bench.probing.readings import Matrix, Readings

N_FOLDS = 5
_BATCH = 64
"""Number of sentences decoded at once."""
_NEVER = -1e4
"""Smallest bias; that of a tag missing on the training side."""

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sums:
    """Statistics of a set of characters for discriminant analysis.

    Attributes:
        counts: Number of characters of each tag. Shape: (n_tags,)
        totals: Sum of their features. Shape: (n_tags, width)
        products: Xᵀ X. Shape: (width, width)

    """

    counts: Doubles
    totals: Doubles
    products: Doubles

    @classmethod
    def of(cls, features: Matrix, tags: npt.NDArray[np.integer], *, n_tags: int) -> Sums:
        """Sum over characters whose features have about unit size. Shapes: (n, width), (n,)."""
        totals = np.zeros((n_tags, features.shape[1]))
        for tag in np.unique(tags).tolist():
            totals[tag] = features[tags == tag].sum(0, dtype=np.float64)
        counts = np.bincount(tags, minlength=n_tags).astype(np.float64)
        return cls(counts, totals, (features.T @ features).astype(np.float64))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.counts + other.counts, self.totals + other.totals, self.products + other.products)

    def take(self, columns: Indices) -> Sums:
        """Restrict the sums to some of the features."""
        return Sums(self.counts, self.totals[:, columns], self.products[np.ix_(columns, columns)])


def discriminant(sums: Sums, *, shrinkage: float) -> tuple[Matrix, Matrix]:
    """Weights and biases of every tag's score; a tag without characters never wins.

    Args:
        sums: Sums of the training side.
        shrinkage: From 0, the plain covariance within tags, to 1, the identity times its mean variance.

    Returns:
        Weights and biases. Shapes: (width, n_tags), (n_tags,)

    """
    n = sums.counts.sum()
    means = sums.totals / np.maximum(sums.counts, 1)[:, None]
    within = (sums.products - means.T @ sums.totals) / n
    shrunk = (1 - shrinkage) * within
    shrunk[np.diag_indices_from(shrunk)] += shrinkage * np.trace(within) / len(within)
    weights = np.linalg.solve(shrunk, means.T)
    with np.errstate(divide="ignore"):
        biases = np.log(sums.counts / n) - 0.5 * (means.T * weights).sum(0)
    return weights.astype(np.float32), np.maximum(biases, _NEVER).astype(np.float32)


class FoldTagger:
    """Tags the sentences of each fold with a classifier fitted to the other folds, on any subset of the features."""

    def __init__(self, features: Matrix, readings: Readings) -> None:
        """``features``: those of all characters, in any units. Shape: (n_characters, width)."""
        deviations = features.std(0)
        self._features = (features - features.mean(0)) / np.where(deviations > 0, deviations, 1)
        self._readings = readings
        split = readings.split
        self.folds = assign(readings.texts, [len(spans) for spans in split.gold], n_folds=N_FOLDS)
        self.fold_of_each = np.repeat(self.folds, split.lengths)
        self._sums = {fold: self._sums_of(fold) for fold in range(1, N_FOLDS + 1)}

    def _sums_of(self, fold: int) -> Sums:
        inside = self.fold_of_each == fold
        tags = self._readings.split.tag_ids[inside]
        return Sums.of(self._features[inside], tags, n_tags=len(self._readings.labels.tags))

    def count(self, columns: Indices, *, shrinkage: float) -> SentenceCounts:
        """Counts of all sentences, in order, with the feature columns ``columns``."""
        split = self._readings.split
        predicted: list[list[Span]] = [[] for _ in split.gold]
        for fold in range(1, N_FOLDS + 1):
            first, *others = (sums.take(columns) for number, sums in self._sums.items() if number != fold)
            weights, biases = discriminant(sum(others, start=first), shrinkage=shrinkage)
            scores = self._features[np.ix_(self.fold_of_each == fold, columns)] @ weights + biases
            rows = np.flatnonzero(self.folds == fold)
            emissions = np.split(scores, np.cumsum(split.lengths[rows])[:-1])
            for row, spans in zip(rows.tolist(), decode(emissions, self._readings.labels), strict=True):
                predicted[row] = spans
        return count(self._readings.texts, split.gold, predicted)


def decode(emissions: Sequence[Matrix], labels: LabelSet) -> Iterator[list[Span]]:
    """Yield the entities of the best well-formed tag sequence of each sentence; transitions have no scores.

    Shape of each of ``emissions``: (characters, n_tags), at least one character.
    """
    crf = ConstrainedCrf(labels)
    for parameter in crf.parameters():
        torch.nn.init.zeros_(parameter)
    for start in range(0, len(emissions), _BATCH):
        batch = [torch.from_numpy(each) for each in emissions[start : start + _BATCH]]
        lengths = torch.tensor([len(each) for each in batch])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        for path in crf.decode(pad_sequence(batch, batch_first=True), mask=mask):
            yield strict_spans([labels.tags[tag] for tag in path], scheme=labels.scheme)[0]

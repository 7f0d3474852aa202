"""Vectors of segments outside the vocabulary (paper: E(s_i)), and the map from BERT's space to the vocabulary's.

The paper compares a BERT vector with vocabulary vectors but does not say how. ``fit_alignment`` fits a ridge map on
words that have both; comparing its held-out cosine with that of a shuffled control shows whether the map is meaningful.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.features.vocabulary import normalised

FloatMatrix = npt.NDArray[np.float32]
DoubleMatrix = npt.NDArray[np.float64]
Encode = Callable[[Sequence[Sequence[str]]], Sequence[FloatMatrix]]
"""From texts, given as characters, to one matrix of last-layer states (characters, width) each.

Such as ``FrozenEncoder.states``."""

MIN_WORDS_TO_FIT = 20
"""Fewest words with both vectors that a map is fitted on."""

ENCODING_VERSION = 1
"""Version of the vectors that ``isolated_vectors`` computes for an encoder and a word.

Raise it with every change that yields other vectors, so that vectors cached in the scratch folder are not reused.
``tests/pipeline/stages/test_versions.py`` checks this."""


def isolated_vectors(segments: Sequence[str], encode: Encode) -> FloatMatrix:
    """Compute the mean last-layer state of each segment, encoded without context. Shape: (segments, width)."""
    return np.stack([states.mean(axis=0) for states in encode([list(segment) for segment in segments])])


@dataclass
class SpanMeanAccumulator:
    """Accumulates the states of wanted segments over their occurrences in sentences, for ``embed.context: sentence``.

    Attributes:
        wanted: The index of each wanted segment.
        sums: By index, the sum of the mean states of the segment's occurrences. Shape of each: (width,)
        counts: By index, the number of occurrences.
    """

    wanted: Mapping[str, int]
    sums: dict[int, DoubleMatrix] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, states: FloatMatrix, *, segments: Sequence[str], starts: Sequence[int]) -> None:
        """Add the occurrences in one sentence, given its characters' states (characters, width)."""
        for segment, begin, end in zip(segments, starts, [*starts[1:], len(states)], strict=True):
            index = self.wanted.get(segment)
            if index is not None:
                # In float64: a float32 sum over a frequent word's thousands of occurrences would lose digits.
                mean = states[begin:end].mean(axis=0, dtype=np.float64)
                self.sums[index] = self.sums[index] + mean if index in self.sums else mean
                self.counts[index] = self.counts.get(index, 0) + 1


@dataclass(frozen=True)
class LinearMap:
    """An affine map from BERT's space to the vocabulary's.

    Attributes:
        weights: Weights of the standardised dimensions. Shape: (width, d)
        mean: Mean of the fitted words' BERT vectors. Shape: (width,)
        scale: Standard deviation of the fitted words' BERT vectors. Shape: (width,)
        offset: The intercept. Shape: (d,)
    """

    weights: DoubleMatrix
    mean: DoubleMatrix
    scale: DoubleMatrix
    offset: DoubleMatrix

    def apply(self, states: FloatMatrix) -> FloatMatrix:
        """Map BERT vectors (n, width) to unit vectors (n, d); a zero row stays zero.

        Each row is a separate vector-matrix product, so that its bits do not depend on the other rows, and a segment
        gets the same vector online as offline.
        """
        mapped = np.zeros((len(states), len(self.offset)), dtype=np.float32)
        for row in np.flatnonzero(states.any(axis=1)):
            mapped[row] = ((states[row].astype(np.float64) - self.mean) / self.scale) @ self.weights + self.offset
        return normalised(mapped)


@dataclass(frozen=True)
class Alignment(LinearMap):
    """A fitted map and its quality on held-out words.

    Attributes:
        n_fitted: Number of words the map was fitted on.
        n_held_out: Number of words it was tested on.
        held_out_cosine: Mean cosine of mapped and true vectors of the held-out words.
        shuffled_cosine: The same mean for a control map fitted on shuffled targets.
    """

    n_fitted: int
    n_held_out: int
    held_out_cosine: float
    shuffled_cosine: float


def fit_alignment(sources: FloatMatrix, targets: FloatMatrix, *, ridge: float, seed: int) -> Alignment:
    """Fit a ridge regression from BERT vectors to word vectors on nine tenths of the rows, and test it on the rest.

    The penalty is ``ridge`` on standardised source dimensions, in the units of the mean squared error's Gram matrix
    (per fitted row). The shuffled control fits the same rows with their targets permuted.

    Args:
        sources: BERT vectors. Shape: (n, width)
        targets: Unit word vectors. Shape: (n, d)
        ridge: The penalty.
        seed: Seed of the split and of the control.

    Returns:
        The map, with its mean cosine on held-out rows and that of the control.
    """
    n = len(sources)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    n_held_out = max(1, n // 10)  # at least one row, or there is no cosine to report
    # Sorted, so that rows are summed in the same order for every permutation: only the split depends on the seed.
    held_out, fitted = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    x, y = sources.astype(np.float64), targets.astype(np.float64)
    control = y.copy()
    # Only fitted rows are shuffled: map and control are measured against the same true vectors.
    control[fitted] = y[rng.permutation(fitted)]
    # 1e-6 keeps a constant dimension finite. Statistics are of the fitted rows only: held-out rows stay unseen.
    mean, scale = x[fitted].mean(axis=0), x[fitted].std(axis=0) + 1e-6
    standard = (x - mean) / scale
    weights, offset = _ridge(standard[fitted], y[fitted], ridge=ridge)
    shuffled, shuffled_offset = _ridge(standard[fitted], control[fitted], ridge=ridge)
    return Alignment(
        weights=weights,
        mean=mean,
        scale=scale,
        offset=offset,
        n_fitted=len(fitted),
        n_held_out=n_held_out,
        held_out_cosine=_mean_cosine(standard[held_out] @ weights + offset, y[held_out]),
        shuffled_cosine=_mean_cosine(standard[held_out] @ shuffled + shuffled_offset, y[held_out]),
    )


def _ridge(x: DoubleMatrix, y: DoubleMatrix, *, ridge: float) -> tuple[DoubleMatrix, DoubleMatrix]:
    offset = y.mean(axis=0)  # x is standardised, so the unpenalised intercept is the targets' mean
    gram = x.T @ x + ridge * len(x) * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ (y - offset)), offset


def _mean_cosine(predicted: DoubleMatrix, true: DoubleMatrix) -> float:
    lengths = np.linalg.norm(predicted, axis=1) * np.linalg.norm(true, axis=1)
    return float(np.mean((predicted * true).sum(axis=1) / np.where(lengths == 0, 1, lengths)))

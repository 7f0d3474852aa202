"""Vectors of segments outside the vocabulary (paper: E(s_i)), and the bridge from BERT's space to the vocabulary's.

The paper compares a BERT vector with vocabulary vectors and does not say how. ``fit_alignment`` fits a ridge map on
words that have both; its held-out cosine beside a shuffled control shows whether the map means anything.
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
"""Texts as characters → their last-layer states, one matrix (characters, width) each: ``FrozenEncoder.states``."""

ENCODING_VERSION = 1
"""Of what ``isolated_vectors`` gives for an encoder and a word: raised when it would give other vectors, so that those
kept in the scratch folder are not taken for its own. ``tests/pipeline/stages/test_versions.py`` asks for it."""


def isolated_vectors(segments: Sequence[str], encode: Encode) -> FloatMatrix:
    """Mean last-layer state of each segment's code points, the segment alone. Shape: (segments, width)."""
    return np.stack([states.mean(axis=0) for states in encode([list(segment) for segment in segments])])


@dataclass
class SpanMeanAccumulator:
    """Sums over the occurrences of wanted segments in sentences, for their means with ``embed.context: sentence``.

    ``wanted``: segment → index; ``sums``: index → sum of the mean states of its occurrences, shape (width,).
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
    """An affine map BERT space → vocabulary space.

    ``weights``: (width, d); ``mean``, ``scale``: (width,) of the fitted words; ``offset``: (d,).
    """

    weights: DoubleMatrix
    mean: DoubleMatrix
    scale: DoubleMatrix
    offset: DoubleMatrix

    def apply(self, states: FloatMatrix) -> FloatMatrix:
        """Map BERT vectors (n, width) to unit vectors (n, d); a zero row stays zero.

        One vector-matrix product a row: a row's bits do not depend on the others, so a segment on line gets the
        same vector as off line.
        """
        mapped = np.zeros((len(states), len(self.offset)), dtype=np.float32)
        for row in np.flatnonzero(states.any(axis=1)):
            mapped[row] = ((states[row].astype(np.float64) - self.mean) / self.scale) @ self.weights + self.offset
        return normalised(mapped)


@dataclass(frozen=True)
class Alignment(LinearMap):
    """A fitted map and how well it does on words it has not seen."""

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
        seed: Of the split and of the control.

    Returns:
        The map, with its mean cosine on held-out rows and that of the control.
    """
    n = len(sources)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    n_held_out = max(1, n // 10)  # of few words one must be held out, or there is no cosine to report
    # Sorted, so that rows are added up in one order whatever the permutation: only the split depends on the seed.
    held_out, fitted = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    x, y = sources.astype(np.float64), targets.astype(np.float64)
    control = y.copy()
    # Only fitted rows are shuffled: map and control are measured against the same true vectors.
    control[fitted] = y[rng.permutation(fitted)]
    # 1e-6 keeps a dimension that never varies finite. Statistics of the fitted rows alone: held-out rows stay unseen.
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

"""Vectors of segments outside the vocabulary (paper: E(s_i)), and the bridge from BERT's space to the vocabulary's.

The paper compares a BERT vector with vocabulary vectors and does not say how. ``fit_alignment`` fits a ridge map on
words that have both; its held-out cosine beside a shuffled control shows whether the map means anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.features.vocabulary import normalised

FloatMatrix = npt.NDArray[np.float32]
DoubleMatrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """An affine map BERT space → vocabulary space and how well it does on words it has not seen.

    ``weights``: (width, d); ``mean``, ``scale``: (width,) of the fitted words; ``offset``: (d,).
    """

    weights: DoubleMatrix
    mean: DoubleMatrix
    scale: DoubleMatrix
    offset: DoubleMatrix
    n_fitted: int
    n_held_out: int
    held_out_cosine: float
    shuffled_cosine: float

    def apply(self, states: FloatMatrix) -> FloatMatrix:
        """Map BERT vectors (n, width) to unit vectors (n, d); a zero row stays zero."""
        mapped = ((states.astype(np.float64) - self.mean) / self.scale) @ self.weights + self.offset
        mapped[~states.any(axis=1)] = 0
        return normalised(mapped.astype(np.float32))


def fit_alignment(sources: FloatMatrix, targets: FloatMatrix, *, ridge: float, seed: int) -> Alignment:
    """Ridge regression from BERT vectors (n, width) to unit word vectors (n, d), a tenth of the rows held out.

    The penalty is ``ridge`` on standardised source dimensions in the units of the mean squared error's Gram matrix
    (per fitted row). The shuffled control fits the same rows with their targets permuted.
    """
    n = len(sources)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    n_held_out = max(1, n // 10)
    held_out, fitted = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    x, y = sources.astype(np.float64), targets.astype(np.float64)
    control = y.copy()
    control[fitted] = y[rng.permutation(fitted)]
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
    offset = y.mean(axis=0)
    gram = x.T @ x + ridge * len(x) * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ (y - offset)), offset


def _mean_cosine(found: DoubleMatrix, true: DoubleMatrix) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(true, axis=1)
    return float(np.mean((found * true).sum(axis=1) / np.where(lengths == 0, 1, lengths)))

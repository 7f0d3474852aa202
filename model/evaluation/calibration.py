"""Calibration of probabilities: of the entities predicted with a probability of 80 %, 80 % should be right.

Calibration concerns predicted entities: a probability is that of exactly this entity, which is right if the same span
with the same type is gold. Probabilities are divided into ten bins of equal width over [0, 1] (Guo et al. 2017), each
closed at its lower end; the last bin includes 1:

    ECE   = sum over bins of (entities in the bin / all entities) * |precision in the bin - mean probability in the bin|
    Brier = mean of (probability - (1 if right else 0)) squared

The best value of both is 0. Missed entities have no probability and are left out; recall is among the scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.wording import counted

BINS = 10

ScoredPrediction = tuple[float, bool]
"""The probability of a predicted entity, and whether it is right."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The predicted entities with a probability in ``[low, high)``; the last bin includes 1."""

    low: float
    high: float
    n: int
    mean_probability: float
    """0 for an empty bin."""
    precision: float
    """The share of right entities; 0 for an empty bin."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "mean_probability": self.mean_probability,
            "precision": self.precision,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities match precision; all figures are 0 if nothing was predicted."""

    n: int
    mean_probability: float
    precision: float
    ece: float
    brier: float
    bins: Sequence[Bin]

    def __repr__(self) -> str:
        """Return the main figures in one line."""
        return f"<Calibration of {counted(self.n, 'entity')}: ECE {self.ece:.4f}, Brier {self.brier:.4f}>"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "n": self.n,
            "mean_probability": self.mean_probability,
            "precision": self.precision,
            "ece": self.ece,
            "brier": self.brier,
            "bins": [one.to_json() for one in self.bins],
        }


def scored_predictions(
    gold: Iterable[Span], predicted: Sequence[Span], probabilities: Sequence[float]
) -> list[ScoredPrediction]:
    """Pair each predicted entity's probability with whether the entity is gold, for one sentence."""
    right = set(gold)
    return [(probability, span in right) for span, probability in zip(predicted, probabilities, strict=True)]


def calibrate(predictions: Iterable[ScoredPrediction]) -> Calibration:
    """Measure the calibration of all predicted entities together.

    Args:
        predictions: The predicted entities of all sentences.

    Returns:
        The calibration; probabilities and shares are from 0 to 1.

    Raises:
        ValueError: A probability is outside [0, 1].

    """
    # Reshaped, to have two columns even if nothing was predicted.
    pairs = np.array(list(predictions), dtype=np.float64).reshape(-1, 2)
    probable, right = pairs[:, 0], pairs[:, 1]
    if not ((probable >= 0) & (probable <= 1)).all():
        raise ValueError("a probability outside [0, 1]")
    edges = [index / BINS for index in range(BINS + 1)]
    # Not floor(probability * BINS), which rounding may move into the next bin.
    bin_of_each = np.clip(np.searchsorted(edges, probable, side="right") - 1, 0, BINS - 1)
    bins = []
    for index in range(BINS):
        members = bin_of_each == index
        mean, share = _mean(probable[members]), _mean(right[members])
        bins.append(Bin(edges[index], edges[index + 1], int(members.sum()), mean, share))
    n = len(pairs)
    gaps = (one.n * abs(one.precision - one.mean_probability) for one in bins)
    return Calibration(
        n, _mean(probable), _mean(right), sum(gaps) / n if n else 0.0, _mean((probable - right) ** 2), bins
    )


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else 0.0

"""Whether probabilities can be trusted: of entities with a probability of 80 %, 80 % should be right.

It is about predicted entities: a probability is that of exactly this entity, and it is right where it is gold as it
stands.
Ten bins of equal width over [0, 1] (Guo et al. 2017), each with its lower end, the last with 1 as well:

    ECE   = sum over bins of (entities in it / all) * |precision in it - mean probability in it|
    Brier = mean of (probability - 1 if right, 0 if not) squared

Both are 0 at best. Missed entities have no probability and are not in it; recall is among the scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.wording import counted

BINS = 10

Guess = tuple[float, bool]
"""The probability of a predicted entity, and whether it is right."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The predicted entities whose probability lies in ``[low, high)``."""

    low: float
    high: float
    n: int
    mean_probability: float
    """0 where there are none."""
    precision: float
    """The share that is right; 0 where there are none."""

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "mean_probability": self.mean_probability,
            "precision": self.precision,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """How probabilities and precision go together; all 0 where nothing was predicted."""

    n: int
    mean_probability: float
    precision: float
    ece: float
    brier: float
    bins: Sequence[Bin]

    def __repr__(self) -> str:
        """The main figures, in one line."""
        return f"<Calibration of {counted(self.n, 'entity')}: ECE {self.ece:.4f}, Brier {self.brier:.4f}>"

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "n": self.n,
            "mean_probability": self.mean_probability,
            "precision": self.precision,
            "ece": self.ece,
            "brier": self.brier,
            "bins": [one.to_json() for one in self.bins],
        }


def guesses(gold: Iterable[Span], predicted: Sequence[Span], probabilities: Sequence[float]) -> list[Guess]:
    """The predicted entities of one sentence, right or wrong; ``probabilities`` are theirs."""
    right = set(gold)
    return [(probability, span in right) for span, probability in zip(predicted, probabilities, strict=True)]


def calibrate(predictions: Iterable[Guess]) -> Calibration:
    """Measure all predicted entities together.

    Args:
        predictions: Of all sentences.

    Returns:
        Probabilities and shares from 0 to 1.

    Raises:
        ValueError: A probability is outside [0, 1].

    """
    # Two columns also where nothing was predicted.
    pairs = np.array(list(predictions), dtype=np.float64).reshape(-1, 2)
    probable, right = pairs[:, 0], pairs[:, 1]
    if not ((probable >= 0) & (probable <= 1)).all():
        raise ValueError("a probability outside [0, 1]")
    edges = [index / BINS for index in range(BINS + 1)]
    # Not floor(probability * BINS), which rounding may carry over the edge of a bin.
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

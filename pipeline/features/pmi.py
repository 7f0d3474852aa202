"""Pointwise mutual information of characters and boundaries, and the local boundary (paper: Local Mutual Maximization).

A match event is one (position, boundary) pair: boundary b matches over a position that holds character c. With
A = events of (c, b), C = events of c with another boundary, B = events of b with another character, N = all events:

* ``joint``   log(A N / ((A + B) (A + C))), the definition p(b, c) / (p(b) p(c));
* ``paper`` log(A N / (A (A + C))), the estimate as the paper prints it, which does not depend on b.

A pair's weight is p(b) PI(c, b) with p(b) = (A + B) / N, the term of the paper's PI_avg.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Match = tuple[int, int, int]
"""(start, end, boundary id), positions half-open."""


def count_events(sentences: Iterable[tuple[Sequence[str], Sequence[Match]]]) -> Counter[tuple[str, int]]:
    """Count the match events of each (character, boundary) pair.

    A word that overlaps itself (哈哈 in 哈哈哈) is one event at a position that it covers twice.

    Args:
        sentences: The characters and matches of each.

    Returns:
        (character, boundary id) → events.
    """
    events: Counter[tuple[str, int]] = Counter()
    for characters, matches in sentences:
        # A set, so that a word over itself counts once at a position.
        covered = {(position, boundary) for start, end, boundary in matches for position in range(start, end)}
        events.update((characters[position], boundary) for position, boundary in covered)
    return events


def score_pairs(events: pl.DataFrame, *, estimator: Literal["joint", "paper"]) -> pl.DataFrame:
    """Compute the PMI and the weight of every (character, boundary) pair.

    Args:
        events: Columns character, boundary_id and n_events (A); each pair once.
        estimator: ``joint`` or ``paper``; see the module.

    Returns:
        Columns character, boundary_id, n_events, pmi (natural logarithm) and weight, sorted by pair.
    """
    import polars as pl  # slow to import, and on line nothing is counted

    # Integers are summed and turned into floats once: the sums are exact, in whatever order polars' threads add them.
    total = pl.col("n_events").sum().cast(pl.Float64)
    of_character = pl.col("n_events").sum().over("character").cast(pl.Float64)
    of_boundary = pl.col("n_events").sum().over("boundary_id").cast(pl.Float64)
    joint = pl.col("n_events").cast(pl.Float64)
    denominator = of_boundary if estimator == "joint" else joint
    scored = events.with_columns(pmi=(joint * total / (denominator * of_character)).log(), share=of_boundary / total)
    return (
        scored.with_columns(weight=pl.col("share") * pl.col("pmi"))
        .select("character", "boundary_id", "n_events", "pmi", "weight")
        .sort("character", "boundary_id")
    )


@dataclass(frozen=True)
class PairWeights:
    """Pair → weight, for finding local boundaries."""

    weights: Mapping[tuple[str, int], float]

    def local_boundaries(self, characters: Sequence[str], matches: Sequence[Match]) -> list[int]:
        """For each position the matched boundary of the largest weight; 0 where none is matched or all are unseen.

        Ties go to the lower id.
        """
        best = [0] * len(characters)
        best_weight = [-math.inf] * len(characters)
        # By id, and only a larger weight replaces: that is what makes ties go to the lower id.
        for start, end, boundary in sorted(matches, key=lambda match: match[2]):
            for position in range(start, end):
                weight = self.weights.get((characters[position], boundary))
                if weight is not None and weight > best_weight[position]:
                    best[position], best_weight[position] = boundary, weight
        return best

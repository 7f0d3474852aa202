"""Pointwise mutual information of characters and boundaries, and the local boundary (paper: Local Mutual Maximization).

A match event is one (position, boundary) pair: boundary b matches over a position that holds character c. With
A = events of (c, b), C = events of c with another boundary, B = events of b with another character, N = all events:

* ``joint`` log(A N / ((A + B) (A + C))), by the definition log(p(b, c) / (p(b) p(c)));
* ``paper`` log(A N / (A (A + C))), the estimate as the paper prints it, which does not depend on b.

A pair's weight is p(b) PI(c, b) with p(b) = (A + B) / N, the term of the paper's PI_avg.

A pair (character, boundary) is represented by one integer, its key: sorting and searching keys needs no Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.offsets import indices_of
from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns, is_run_start

if TYPE_CHECKING:
    import polars as pl

DoubleArray = npt.NDArray[np.float64]


def pair_keys(codes: Ints, boundaries: Ints) -> Ints:
    """Combine code points and boundary ids into keys, which sort by (character, boundary id)."""
    return (codes << 32) | boundaries


def pairs_of(keys: Ints) -> tuple[Ints, Ints]:
    """Split keys into code points and boundary ids."""
    return keys >> 32, keys & 0xFFFFFFFF


def events_over(matches: MatchColumns) -> tuple[Ints, Ints]:
    """Return the match events as positions in the text and boundary ids, sorted.

    A position that a word covers twice because it overlaps itself (哈哈 in 哈哈哈) counts as one event.
    """
    covered = _covered(matches)
    return pairs_of(covered[is_run_start(covered)])


def _covered_again(matches: MatchColumns) -> tuple[Ints, Ints]:
    """Return the duplicates that ``events_over`` drops: an entry for each repeated cover of a position by a word."""
    covered = _covered(matches)
    return pairs_of(covered[~is_run_start(covered)])


def _covered(matches: MatchColumns) -> Ints:
    """Return a key (position, boundary id) for each position that each match covers, sorted."""
    lengths = matches.ends - matches.starts
    covered = pair_keys(indices_of(matches.starts, lengths), np.repeat(matches.ids, lengths))
    covered.sort()
    return covered


def count_events(sentences: SentenceColumns, matches: MatchColumns) -> tuple[Ints, Ints]:
    """Count the match events of each (character, boundary) pair.

    A match of a word is one event at each of its characters, so it suffices to count the matches of each word, and to
    subtract the positions that overlapping matches of a word cover more than once.

    Returns:
        The keys of the pairs that occur, ascending, and the number of events of each.
    """
    if not len(matches.ids):
        return add_up([])
    n_matches = np.bincount(matches.ids)
    boundaries = np.flatnonzero(n_matches > 0)
    # Any one match of each boundary: the text that it covers is the word.
    one = np.empty(len(n_matches), dtype=np.int64)
    one[matches.ids] = np.arange(len(matches.ids))
    starts, ends = matches.starts[one[boundaries]], matches.ends[one[boundaries]]
    keys = pair_keys(sentences.codes[indices_of(starts, ends - starts)], np.repeat(boundaries, ends - starts))
    keys.sort()
    first = np.flatnonzero(is_run_start(keys))
    n_in_word = np.diff(first, append=len(keys))
    keys = keys[first]
    _, boundaries = pairs_of(keys)
    events = n_matches[boundaries] * n_in_word
    # A word can overlap itself only if a character occurs in it twice.
    repeating = np.zeros(len(n_matches), dtype=np.bool_)
    repeating[boundaries[n_in_word > 1]] = True
    positions, boundaries = _covered_again(matches.where(repeating[matches.ids]))
    np.subtract.at(events, np.searchsorted(keys, pair_keys(sentences.codes[positions], boundaries)), 1)
    return keys, events


def add_up(counts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Merge the counts that ``count_events`` returned for several texts into one result of the same form."""
    nothing = np.zeros(0, dtype=np.int64)
    keys = np.concatenate([nothing, *(keys for keys, _ in counts)])
    events = np.concatenate([nothing, *(events for _, events in counts)])
    # The inputs are sorted already, and a stable sort merges sorted runs.
    order = keys.argsort(kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(is_run_start(keys))
    return keys[starts], np.add.reduceat(events[order], starts) if len(starts) else events


def score_pairs(events: pl.DataFrame, *, estimator: Literal["joint", "paper"]) -> pl.DataFrame:
    """Compute the PMI and the weight of every (character, boundary) pair.

    Args:
        events: Columns character, boundary_id and n_events (A), with one row per pair.
        estimator: ``joint`` or ``paper``; see the module docstring.

    Returns:
        Columns character, boundary_id, n_events, pmi (natural logarithm) and weight, sorted by pair.
    """
    import polars as pl  # slow to import, and online nothing is counted

    # Integers are summed first and converted to floats once: sums are exact in any order of polars' threads.
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
    """The weights of (character, boundary) pairs, used to find local boundaries.

    Attributes:
        keys: Keys of the pairs (see ``pair_keys``), ascending. Shape: (pairs,)
        weights: The weight of each pair. Shape: (pairs,)
    """

    keys: Ints
    weights: DoubleArray

    def local_boundaries(self, sentences: SentenceColumns, matches: MatchColumns) -> Ints:
        """Find the matched boundary of the largest weight for each character.

        Returns:
            The boundary ids; 0 for characters without a match or without a weighted pair. Ties go to the lower id.
            Shape: (characters,)
        """
        local = np.zeros(len(sentences.text), dtype=np.int64)
        positions, boundaries = events_over(matches)
        keys = pair_keys(sentences.codes[positions], boundaries)
        places = np.searchsorted(self.keys, keys)
        seen = places < len(self.keys)
        seen[seen] = self.keys[places[seen]] == keys[seen]
        positions, boundaries, weights = positions[seen], boundaries[seen], self.weights[places[seen]]
        if not len(positions):
            return local
        starts = np.flatnonzero(is_run_start(positions))
        highest = np.maximum.reduceat(weights, starts)
        best = weights == np.repeat(highest, np.diff(starts, append=len(positions)))
        # Sorted by position, then by id: the first boundary at a position has the lowest id.
        positions, boundaries = positions[best], boundaries[best]
        first = is_run_start(positions)
        local[positions[first]] = boundaries[first]
        return local

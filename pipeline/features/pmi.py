"""Pointwise mutual information of characters and boundaries, and the local boundary (paper: Local Mutual Maximization).

A match event is one (position, boundary) pair: boundary b matches over a position that holds character c. With
A = events of (c, b), C = events of c with another boundary, B = events of b with another character, N = all events:

* ``joint``   log(A N / ((A + B) (A + C))), the definition p(b, c) / (p(b) p(c));
* ``paper`` log(A N / (A (A + C))), the estimate as the paper prints it, which does not depend on b.

A pair's weight is p(b) PI(c, b) with p(b) = (A + B) / N, the term of the paper's PI_avg.

A pair (character, boundary) is one number here, its key: sorting and searching keys needs no Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns, indices_of, is_first

if TYPE_CHECKING:
    import polars as pl

DoubleArray = npt.NDArray[np.float64]


def pair_keys(codes: Ints, boundaries: Ints) -> Ints:
    """Code points and boundary ids as keys, in the order of (character, boundary id)."""
    return (codes << 32) | boundaries


def pairs_of(keys: Ints) -> tuple[Ints, Ints]:
    """The code points and boundary ids of keys."""
    return keys >> 32, keys & 0xFFFFFFFF


def events_over(matches: MatchColumns) -> tuple[Ints, Ints]:
    """The match events: positions in the text and boundary ids, sorted.

    A word that overlaps itself (哈哈 in 哈哈哈) is one event at a position that it covers twice.
    """
    covered = _covered(matches)
    return pairs_of(covered[is_first(covered)])


def _covered_again(matches: MatchColumns) -> tuple[Ints, Ints]:
    """What ``events_over`` leaves out: positions and boundary ids once more for each time but the first."""
    covered = _covered(matches)
    return pairs_of(covered[~is_first(covered)])


def _covered(matches: MatchColumns) -> Ints:
    """The keys of each position that each match covers and of the match's boundary, sorted."""
    lengths = matches.ends - matches.starts
    covered = pair_keys(indices_of(matches.starts, lengths), np.repeat(matches.ids, lengths))
    covered.sort()
    return covered


def count_events(sentences: SentenceColumns, matches: MatchColumns) -> tuple[Ints, Ints]:
    """Count the match events of each (character, boundary) pair.

    A match of a word is an event at each of its characters, so not events but matches are counted, by word; what a word
    that overlaps itself covers again is taken off.

    Returns:
        The keys of the pairs that occur, ascending, and the events of each.
    """
    if not len(matches.ids):
        return add_up([])
    n_matches = np.bincount(matches.ids)
    boundaries = np.flatnonzero(n_matches > 0)
    # A match of each boundary, whichever: the text below it is the word.
    one = np.empty(len(n_matches), dtype=np.int64)
    one[matches.ids] = np.arange(len(matches.ids))
    starts, ends = matches.starts[one[boundaries]], matches.ends[one[boundaries]]
    keys = pair_keys(sentences.codes[indices_of(starts, ends - starts)], np.repeat(boundaries, ends - starts))
    keys.sort()
    first = np.flatnonzero(is_first(keys))
    n_in_word = np.diff(first, append=len(keys))
    keys = keys[first]
    _, boundaries = pairs_of(keys)
    events = n_matches[boundaries] * n_in_word
    # A word can overlap itself only if its first character comes again in it.
    repeating = np.zeros(len(n_matches), dtype=np.bool_)
    repeating[boundaries[n_in_word > 1]] = True
    positions, boundaries = _covered_again(matches.where(repeating[matches.ids]))
    np.subtract.at(events, np.searchsorted(keys, pair_keys(sentences.codes[positions], boundaries)), 1)
    return keys, events


def add_up(counts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Add up what ``count_events`` gave for several texts, in its form."""
    nothing = np.zeros(0, dtype=np.int64)
    keys = np.concatenate([nothing, *(keys for keys, _ in counts)])
    events = np.concatenate([nothing, *(events for _, events in counts)])
    # What is given is sorted already, and a stable sort merges sorted runs.
    order = keys.argsort(kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(is_first(keys))
    return keys[starts], np.add.reduceat(events[order], starts) if len(starts) else events


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
    """The weights of pairs, for finding local boundaries. Shapes: (pairs,).

    ``keys``: ascending, of ``pair_keys``; ``weights``: one each.
    """

    keys: Ints
    weights: DoubleArray

    def local_boundaries(self, sentences: SentenceColumns, matches: MatchColumns) -> Ints:
        """For each character the matched boundary of the largest weight; 0 where none is matched or all are unseen.

        Ties go to the lower id. Shape: (characters,)
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
        starts = np.flatnonzero(is_first(positions))
        highest = np.maximum.reduceat(weights, starts)
        best = weights == np.repeat(highest, np.diff(starts, append=len(positions)))
        # By position, then by id: of several the first is the lowest id.
        positions, boundaries = positions[best], boundaries[best]
        first = is_first(positions)
        local[positions[first]] = boundaries[first]
        return local

"""Cosine selection of boundaries for a character in a segment (paper: S_k, S_m, S_s and the negatives B - B_i)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.features.columns import Ints
from ssmi.pipeline.features.ragged import Flags, Ragged

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]
Block = tuple[IntArray, FloatMatrix]
"""Candidate ids, ascending, and their cosines with some segments. Shapes: (candidates,), (segments, candidates)."""

HISTOGRAM_BINS = 100
"""Bins of width 0.02 over [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The choice for one (character, segment) pair: boundary ids, and cosines in the same order."""

    best_id: int
    best_cosine: float | None
    set_ids: Sequence[int]
    set_cosines: Sequence[float]
    negative_ids: Sequence[int]
    n_candidates: int


EMPTY_SELECTION = Selection(0, None, (), (), (), 0)


@dataclass(frozen=True, slots=True)
class SelectionColumns:
    """The choices for many queries: one row per query; lists are concatenated and stored with their lengths.

    Shapes: (queries,), except ``set_ids`` and ``set_cosines`` (sum of ``set_lengths``,) and ``negative_ids`` (sum of
    ``negative_lengths``,).
    """

    best_ids: IntArray
    """0 for a query without candidates, whose ``best_cosines`` is 0 too."""
    best_cosines: FloatArray
    set_lengths: IntArray
    set_ids: IntArray
    set_cosines: FloatArray
    negative_lengths: IntArray
    negative_ids: IntArray
    n_candidates: IntArray

    @classmethod
    def of(cls, selections: Sequence[Selection]) -> SelectionColumns:
        """Build columns from one object per query."""

        def ids(values: Iterable[int]) -> IntArray:
            return np.fromiter(values, dtype=np.int32)

        return cls(
            best_ids=ids(one.best_id for one in selections),
            best_cosines=np.array([one.best_cosine or 0.0 for one in selections], dtype=np.float32),
            set_lengths=ids(len(one.set_ids) for one in selections),
            set_ids=ids(number for one in selections for number in one.set_ids),
            set_cosines=np.array([cosine for one in selections for cosine in one.set_cosines], dtype=np.float32),
            negative_lengths=ids(len(one.negative_ids) for one in selections),
            negative_ids=ids(number for one in selections for number in one.negative_ids),
            n_candidates=ids(one.n_candidates for one in selections),
        )

    def selections(self) -> Iterator[Selection]:
        """Iterate over the rows as one object per query."""
        set_ids, set_cosines, negative_ids = (
            [values[start:end].tolist() for start, end in pairwise(offsets_of(lengths).tolist())]
            for values, lengths in (
                (self.set_ids, self.set_lengths),
                (self.set_cosines, self.set_lengths),
                (self.negative_ids, self.negative_lengths),
            )
        )
        best_ids, n_candidates = self.best_ids.tolist(), self.n_candidates.tolist()
        best_cosines = [
            cosine if best else None for best, cosine in zip(best_ids, self.best_cosines.tolist(), strict=True)
        ]
        return map(Selection, best_ids, best_cosines, set_ids, set_cosines, negative_ids, n_candidates)

    @classmethod
    def concatenated(cls, pieces: Sequence[SelectionColumns]) -> SelectionColumns:
        """Concatenate the selections of several pieces, in order."""
        return cls(
            **{field.name: np.concatenate([getattr(one, field.name) for one in pieces]) for field in fields(cls)}
        )


def cosines_with(vectors: FloatMatrix, segments: FloatMatrix) -> FloatMatrix:
    """Compute cosines of unit candidate vectors (candidates, d) with each of some unit segment vectors (segments, d).

    This is a stack of matrix-vector products, not a matrix product, so that the bits of each row do not depend on the
    other rows, and a sentence gets exactly the same numbers online as in the shards. Shape: (segments, candidates)
    """
    cosines: FloatMatrix = np.matmul(vectors, segments[:, :, None])[:, :, 0]
    # Rounding can carry the product of two unit vectors beyond 1.
    return cosines.clip(-1.0, 1.0, out=cosines)


def select_rows(blocks: Sequence[Block], *, params: SelectionParams) -> SelectionColumns:
    """Choose the best boundary, the boundary set and the negatives of each segment; segments may share candidates.

    The best boundary has the highest cosine. The set holds at most ``max_set`` candidates over the threshold, best
    first. The negatives are the ``n_negatives`` lowest candidates outside the set, lowest first. Ties go to the lower
    id. Rows of cosines are not sorted whole: only the values over the threshold, and those below a limit for the
    negatives.

    Args:
        blocks: At least one block.
        params: Threshold and sizes.

    Returns:
        One row per segment, in the order of the blocks; it is empty for a segment without candidates.
    """
    n_segments, n_ids = [len(cosines) for _, cosines in blocks], [len(ids) for ids, _ in blocks]
    n_candidates = np.repeat(np.array(n_ids, dtype=np.int32), n_segments)
    # A segment without candidates has no row of cosines.
    asking = np.flatnonzero(n_candidates)
    rows = Ragged.of(np.concatenate([cosines.ravel() for _, cosines in blocks]), n_candidates[asking].astype(np.int64))
    ids = np.concatenate([ids for ids, _ in blocks])
    before = np.repeat(offsets_of(n_ids)[:-1], n_segments)[asking] - rows.starts

    high = rows.ranked(_highest(rows, params), descending=True)
    high_ids, high_cosines = ids[high.indices + before[high.rows]], rows.values[high.indices]
    best = high.ranks == 0
    chosen = (high.ranks < params.max_set) & (high_cosines > params.threshold)

    outside = _lowest(rows, params)
    outside[high.indices[chosen]] = False
    low = rows.ranked(np.flatnonzero(outside))
    negative = low.ranks < params.n_negatives

    best_ids, set_lengths, negative_lengths = np.zeros((3, len(n_candidates)), dtype=np.int32)
    best_cosines = np.zeros(len(n_candidates), dtype=np.float32)
    best_ids[asking], best_cosines[asking] = high_ids[best], high_cosines[best]
    set_lengths[asking] = np.bincount(high.rows[chosen], minlength=len(asking))
    negative_lengths[asking] = np.bincount(low.rows[negative], minlength=len(asking))
    return SelectionColumns(
        best_ids=best_ids,
        best_cosines=best_cosines,
        set_lengths=set_lengths,
        set_ids=high_ids[chosen],
        set_cosines=high_cosines[chosen],
        negative_lengths=negative_lengths,
        negative_ids=ids[low.indices[negative] + before[low.rows[negative]]],
        n_candidates=n_candidates,
    )


def _highest(rows: Ragged, params: SelectionParams) -> Ints:
    """Return the indices of cosines that include each row's best boundary and set."""
    limits = np.minimum(rows.highest(), np.float32(params.threshold))
    indices = np.flatnonzero(rows.values >= np.repeat(limits, rows.widths))
    if len(indices) <= 2 * params.max_set * len(rows.starts):
        return indices
    # With a low threshold far more values exceed it than the set can hold.
    negated = replace(rows, values=-rows.values)
    return np.flatnonzero(negated.at_most(np.minimum(-limits, negated.limits(params.max_set))))


def _lowest(rows: Ragged, params: SelectionParams) -> Flags:
    """Flag the cosines that may be negatives: a superset of each row's negatives, from which the set is not removed."""
    n = max(1, params.n_negatives)
    limits = rows.limits(n)
    # Values over the threshold may be in the set, so ``max_set`` more values are needed.
    over = (limits > params.threshold) & (limits < np.inf)
    if over.any():
        limits[over] = rows.limits(n + params.max_set)[over]
    return rows.at_most(limits)


def select_at_random(
    candidate_ids: IntArray, cosines: FloatArray, *, character: str, segment: str, params: SelectionParams
) -> Selection:
    """Draw the best boundary, set and negatives at random, seeded by (character, segment): the ablation -Cosine."""
    if not len(candidate_ids):
        return EMPTY_SELECTION
    # Seeded by the pair itself, so that the draw does not depend on earlier queries, online or offline.
    key = hashlib.blake2b(f"{params.seed}\0{character}\0{segment}".encode("utf-8", "surrogatepass"), digest_size=8)
    order = np.random.default_rng(int.from_bytes(key.digest(), "big")).permutation(len(candidate_ids))
    chosen = order[: params.max_set]
    negatives = order[params.max_set : params.max_set + params.n_negatives]
    return _selection(candidate_ids, cosines, best=int(order[0]), chosen=chosen, negatives=negatives)


def select_segment(candidate_ids: IntArray, cosines: FloatArray, *, segment_id: int) -> Selection:
    """Choose the segment itself as the best boundary, without set or negatives; nothing if it is not a candidate."""
    (own,) = (candidate_ids == segment_id).nonzero()
    if not len(own):
        return replace(EMPTY_SELECTION, n_candidates=len(candidate_ids))
    nothing = np.empty(0, dtype=np.intp)
    return _selection(candidate_ids, cosines, best=int(own[0]), chosen=nothing, negatives=nothing)


def _selection(
    candidate_ids: IntArray,
    cosines: FloatArray,
    *,
    best: int,
    chosen: Indices,
    negatives: Indices,
) -> Selection:
    return Selection(
        best_id=int(candidate_ids[best]),
        best_cosine=float(cosines[best]),
        set_ids=candidate_ids[chosen].tolist(),
        set_cosines=cosines[chosen].tolist(),
        negative_ids=candidate_ids[negatives].tolist(),
        n_candidates=len(candidate_ids),
    )


def histogram(cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Count cosines in ``HISTOGRAM_BINS`` equal bins over [-1, 1]; 1.0 falls in the last bin."""
    # In float64: in float32, cosine + 1 would round some values up into the next bin.
    bins = cosines.ravel().astype(np.float64)
    bins += 1.0
    bins *= HISTOGRAM_BINS / 2
    # No value is below 0, so truncation rounds down.
    counts = np.bincount(bins.astype(np.int64), minlength=HISTOGRAM_BINS + 1)
    counts[-2] += counts[-1]
    return counts[:-1]

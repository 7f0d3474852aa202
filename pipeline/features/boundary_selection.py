"""Cosine selection of boundaries for a character in a segment (paper: S_k, S_m, S_s and the negatives B - B_i)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.parameters.params import SelectionParams

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
Indices = npt.NDArray[np.intp]

HISTOGRAM_BINS = 100
"""Bins of width 0.02 over [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is chosen for one (character, segment): ids are boundary ids, cosines are in the same order."""

    best_id: int
    best_cosine: float | None
    set_ids: Sequence[int]
    set_cosines: Sequence[float]
    negative_ids: Sequence[int]
    n_candidates: int


NOTHING = Selection(0, None, (), (), (), 0)


@dataclass(frozen=True, slots=True)
class SelectionColumns:
    """What is chosen for many queries: a row each, and lists one after the other with their lengths.

    Shapes: (queries,) but for ``set_ids``, ``set_cosines`` (sum of ``set_lengths``,) and ``negative_ids`` (sum of
    ``negative_lengths``,).
    """

    best_ids: IntArray
    """0 without a candidate, and then ``best_cosines`` is 0 too."""
    best_cosines: FloatArray
    set_lengths: IntArray
    set_ids: IntArray
    set_cosines: FloatArray
    negative_lengths: IntArray
    negative_ids: IntArray
    n_candidates: IntArray

    @classmethod
    def of(cls, selections: Sequence[Selection]) -> SelectionColumns:
        """The same from one object each."""

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

    @classmethod
    def concatenated(cls, pieces: Sequence[SelectionColumns]) -> SelectionColumns:
        """Those of several pieces, in their order."""
        return cls(
            **{field.name: np.concatenate([getattr(one, field.name) for one in pieces]) for field in fields(cls)}
        )


def cosines_with(pairs: Iterable[tuple[FloatMatrix, FloatArray]], *, shape: tuple[int, int]) -> FloatMatrix:
    """Cosines of unit candidate vectors (candidates, d) with one unit segment vector (d,), for each pair of them.

    One matrix-vector product a pair, not a product a batch: its bits then never depend on what else is computed, so a
    sentence on line gets exactly the figures that the shards hold.

    Args:
        pairs: The same number of candidates in each.
        shape: Of what is returned, (pairs, candidates).
    """
    cosines = np.empty(shape, dtype=np.float32)
    for row, (vectors, segment) in zip(cosines, pairs, strict=True):
        np.matmul(vectors, segment, out=row)
    # Rounding can carry the product of two unit vectors beyond 1.
    return np.clip(cosines, -1.0, 1.0, out=cosines)


def select(candidate_ids: IntArray, cosines: FloatArray, *, params: SelectionParams) -> Selection:
    """Choose the best boundary, the boundary set and the negatives of a character.

    The best has the highest cosine. The set holds those over the threshold, best first, at most ``max_set``. The
    negatives are the ``n_negatives`` lowest outside the set, lowest first. Ties go to the lower id.

    Args:
        candidate_ids: Boundary ids, ascending. Shape: (candidates,)
        cosines: With the segment. Shape: (candidates,)
        params: Threshold and sizes.

    Returns:
        The choice; ``NOTHING`` without candidates.
    """
    if not len(candidate_ids):
        return NOTHING
    columns = select_rows(candidate_ids, cosines[None], params=params)
    return Selection(
        best_id=int(columns.best_ids[0]),
        best_cosine=float(columns.best_cosines[0]),
        set_ids=columns.set_ids.tolist(),
        set_cosines=columns.set_cosines.tolist(),
        negative_ids=columns.negative_ids.tolist(),
        n_candidates=len(candidate_ids),
    )


def select_rows(candidate_ids: IntArray, cosines: FloatMatrix, *, params: SelectionParams) -> SelectionColumns:
    """``select`` for many segments with the same candidates. Shapes: (candidates,), (segments, candidates)."""
    if not len(candidate_ids):
        return SelectionColumns.of([NOTHING] * len(cosines))
    highest, lowest = _ends(cosines, n_highest=params.max_set, n_lowest=params.max_set + params.n_negatives)
    highest_cosines = np.take_along_axis(cosines, highest, axis=1)
    chosen = highest_cosines > params.threshold
    negative = np.ones(lowest.shape, dtype=np.bool_)
    # The two ends can share candidates only where they overlap: of few, or where ties reach from end to end.
    overlapping = highest_cosines[:, -1] <= np.take_along_axis(cosines, lowest[:, -1:], axis=1)[:, 0]
    if overlapping.any() or highest.shape[1] + lowest.shape[1] > cosines.shape[1]:
        negative = ~_in_both(lowest, highest, chosen)
    negative &= np.cumsum(negative, axis=1) <= params.n_negatives
    return SelectionColumns(
        best_ids=candidate_ids[highest[:, 0]],
        best_cosines=highest_cosines[:, 0],
        set_lengths=chosen.sum(axis=1, dtype=np.int32),
        set_ids=candidate_ids[highest[chosen]],
        set_cosines=highest_cosines[chosen],
        negative_lengths=negative.sum(axis=1, dtype=np.int32),
        negative_ids=candidate_ids[lowest[negative]],
        n_candidates=np.full(len(cosines), len(candidate_ids), dtype=np.int32),
    )


def _in_both(lowest: Indices, highest: Indices, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of the lowest are among the highest that are chosen. Shape: that of ``lowest``."""
    both: npt.NDArray[np.bool_] = ((lowest[:, :, None] == highest[:, None, :]) & chosen[:, None, :]).any(axis=2)
    return both


def _ends(values: FloatMatrix, *, n_highest: int, n_lowest: int) -> tuple[Indices, Indices]:
    """Places of each row's largest values, largest first, and of its smallest, smallest first; equal ones by place.

    At least one is asked for at either end. Shapes: (rows, min(n_highest, n)), (rows, min(n_lowest, n))
    """
    n = values.shape[1]
    # Negated for descending order: a stable sort then keeps ties in the order of their ids, a reversed one would not.
    if n <= max(n_highest, n_lowest):
        descending = (-values).argsort(axis=1, kind="stable")
        return descending[:, :n_highest], values.argsort(axis=1, kind="stable")[:, :n_lowest]
    # numpy sorts values without their places several times as fast as it finds places, or two limits by partition.
    in_order = np.sort(values, axis=1)
    high = np.flatnonzero(values >= in_order[:, n - n_highest, None])
    low = np.flatnonzero(values <= in_order[:, n_lowest - 1, None])
    flat = values.ravel()
    return _sorted(high, -flat[high], n=n_highest, width=n), _sorted(low, flat[low], n=n_lowest, width=n)


def _sorted(places: Indices, values: FloatArray, *, n: int, width: int) -> Indices:
    """Of values at ascending places of a matrix, the columns of each row's ``n`` smallest. Shape: (rows, n).

    ``width``: of the matrix; each of its rows has at least ``n`` of the values.
    """
    rows, columns = np.divmod(places, width)
    if len(places) == n * (int(rows[-1]) + 1):
        order = values.reshape(-1, n).argsort(axis=1, kind="stable")
        of_rows: Indices = np.take_along_axis(columns.reshape(-1, n), order, axis=1)
        return of_rows
    # Some are equal to the last one that is wanted. Sorts are stable, so equal values stay by column.
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    order = np.lexsort((values, rows))
    smallest: Indices = columns[order[starts[:, None] + np.arange(n)]]
    return smallest


def select_at_random(
    candidate_ids: IntArray, cosines: FloatArray, *, character: str, segment: str, params: SelectionParams
) -> Selection:
    """The ablation -Cosine: best and set drawn at random, seeded for each (character, segment)."""
    if not len(candidate_ids):
        return NOTHING
    # Seeded by the pair itself, so that the draw does not depend on what is answered before it, on line or off.
    key = hashlib.blake2b(f"{params.seed}\0{character}\0{segment}".encode("utf-8", "surrogatepass"), digest_size=8)
    order = np.random.default_rng(int.from_bytes(key.digest(), "big")).permutation(len(candidate_ids))
    chosen = order[: params.max_set]
    negatives = order[params.max_set : params.max_set + params.n_negatives]
    return _selection(candidate_ids, cosines, best=int(order[0]), chosen=chosen, negatives=negatives)


def select_segment(candidate_ids: IntArray, cosines: FloatArray, *, segment_id: int) -> Selection:
    """The segment itself as the best boundary, without set and negatives; no boundary where it is no candidate."""
    (own,) = (candidate_ids == segment_id).nonzero()
    if not len(own):
        return replace(NOTHING, n_candidates=len(candidate_ids))
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
    """Counts of cosines in ``HISTOGRAM_BINS`` equal bins over [-1, 1]; 1.0 falls in the last."""
    # In float64: in float32 cosine + 1 would round some up into the next bin.
    bins = cosines.ravel().astype(np.float64)
    bins += 1.0
    bins *= HISTOGRAM_BINS / 2
    # None is below 0, so cutting the fraction off rounds down.
    counts = np.bincount(bins.astype(np.int64), minlength=HISTOGRAM_BINS + 1)
    counts[-2] += counts[-1]
    return counts[:-1]

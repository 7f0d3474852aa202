"""Cosine selection of boundaries for a character in a segment (paper: S_k, S_m, S_s and the negatives B - B_i)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.parameters.params import SelectionParams

FloatMatrix = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

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


def cosines_with(vectors: FloatMatrix, segment: FloatArray) -> FloatArray:
    """Cosines of unit candidate vectors (candidates, d) with one unit segment vector (d,). Shape: (candidates,).

    One matrix-vector product a pair, not a product a batch: its bits then never depend on what else is computed, so a
    sentence on line gets exactly the figures that the shards hold.
    """
    cosines: FloatArray = vectors @ segment
    # Rounding can carry the product of two unit vectors beyond 1.
    return np.minimum(np.maximum(cosines, -1.0, out=cosines), 1.0, out=cosines)


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
    highest, lowest = _ends(cosines, n_highest=params.max_set, n_lowest=params.max_set + params.n_negatives)
    chosen = highest[cosines[highest] > params.threshold]
    # The two ends can share candidates only where they overlap: of few candidates, or where ties reach from end to end.
    if len(highest) + len(lowest) > len(cosines) or cosines[highest[-1]] <= cosines[lowest[-1]]:
        lowest = lowest[(lowest[:, None] != chosen).all(axis=1)]
    negatives = lowest[: params.n_negatives]
    return _selection(candidate_ids, cosines, best=int(highest[0]), chosen=chosen, negatives=negatives)


def _ends(values: FloatArray, *, n_highest: int, n_lowest: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of the largest values, largest first, and of the smallest, smallest first; equal ones by index.

    Only the ends are sorted: of a thousand candidates a selection reads two dozen. At least one is asked for at either
    end. Shapes: (min(n_highest, n),), (min(n_lowest, n),)
    """
    n = len(values)
    # Negated for descending order: a stable sort then keeps ties in the order of their ids, a reversed one would not.
    if n <= max(n_highest, n_lowest):
        return (-values).argsort(kind="stable")[:n_highest], values.argsort(kind="stable")[:n_lowest]
    limits = values.copy()
    limits.partition((n_lowest - 1, n - n_highest))
    # partition leaves ties with a limit in any order, so everything not beyond the limit is sorted, then cut.
    high = (values >= limits[n - n_highest]).nonzero()[0]
    low = (values <= limits[n_lowest - 1]).nonzero()[0]
    return high[(-values[high]).argsort(kind="stable")[:n_highest]], low[values[low].argsort(kind="stable")[:n_lowest]]


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
    chosen: npt.NDArray[np.intp],
    negatives: npt.NDArray[np.intp],
) -> Selection:
    return Selection(
        best_id=int(candidate_ids[best]),
        best_cosine=float(cosines[best]),
        set_ids=candidate_ids[chosen].tolist(),
        set_cosines=cosines[chosen].tolist(),
        negative_ids=candidate_ids[negatives].tolist(),
        n_candidates=len(candidate_ids),
    )


def histogram(cosines: FloatArray) -> npt.NDArray[np.int64]:
    """Counts of cosines in ``HISTOGRAM_BINS`` equal bins over [-1, 1]; 1.0 falls in the last."""
    # In float64: in float32 cosine + 1 would round some up into the next bin.
    bins = np.floor((cosines.astype(np.float64) + 1.0) * (HISTOGRAM_BINS / 2)).astype(np.int64)
    return np.bincount(np.clip(bins, 0, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)

"""Offsets and indices of stretches in a flat array, compared with plain loops."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.offsets import indices_of, offsets_of


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=8), st.sampled_from([np.int32, np.int64]))
def test_offsets_and_indices_of_stretches(stretches: list[tuple[int, int]], kind: type[np.integer]) -> None:
    starts, lengths = (np.array([one[place] for one in stretches], dtype=kind) for place in (0, 1))
    offsets = offsets_of(lengths)
    assert offsets.dtype == np.int64
    assert offsets.tolist() == offsets_of(lengths.tolist()).tolist() == [0, *accumulate(lengths.tolist())]
    indices = indices_of(starts, lengths)
    assert indices.dtype == np.int64
    assert indices.tolist() == [index for start, length in stretches for index in range(start, start + length)]


def test_a_total_beyond_32_bits_is_kept() -> None:
    assert offsets_of(np.array([2**31 - 1, 2**31 - 1], dtype=np.int32)).tolist() == [0, 2**31 - 1, 2**32 - 2]

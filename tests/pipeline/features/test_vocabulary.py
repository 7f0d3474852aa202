"""Unit vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.vocabulary import normalised


@given(
    st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_rows_get_unit_length_and_zero_rows_stay_zero(rows: list[list[float]]) -> None:
    matrix = np.array(rows, dtype=np.float32)
    unit = normalised(matrix)
    assert unit.dtype == np.float32
    for row, unit_row in zip(matrix.tolist(), unit.tolist(), strict=True):
        # math.hypot scales its arguments, so squaring neither underflows nor overflows
        length = math.hypot(*row)
        if length == 0:
            assert unit_row == [0, 0, 0]
        else:
            assert unit_row == pytest.approx([value / length for value in row], abs=2e-7)

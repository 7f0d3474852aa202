"""Segment vectors: which of the two matrices a segment is looked up in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.segment_vectors import SegmentVectors


@given(st.lists(st.text("中国人", min_size=1, max_size=3), unique=True, max_size=8), st.booleans())
def test_vectors_are_looked_up_in_the_space_of_comparison(segments: list[str], by_bert: bool) -> None:
    aligned = np.arange(len(segments) * 3, dtype=np.float32).reshape(-1, 3)
    bert = -np.arange(len(segments) * 5, dtype=np.float32).reshape(-1, 5)
    rows = {segment: row for row, segment in enumerate(segments)}
    vectors = SegmentVectors(
        rows, aligned, bert if by_bert else None, np.zeros((2, 5), np.float32) if by_bert else None
    )
    for row, segment in enumerate(segments):
        assert segment in vectors
        assert vectors.of(segment).tolist() == (bert if by_bert else aligned).tolist()[row]
    assert "外" not in vectors
    with pytest.raises(KeyError):
        vectors.of("外")

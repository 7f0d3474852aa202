"""Arrow lists as NumPy arrays, compared with Arrow's own conversion to Python values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.columns.lists import characters_of, id_lists, list_array, numbers, offsets, text_of, whole

LISTS = st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=6)
TEXTS = st.lists(st.text("a中😀", max_size=3), max_size=6)


@given(LISTS, st.integers(0, 3))
def test_lists_of_a_slice_of_a_column_read_back(lists: list[list[int]], start: int) -> None:
    column = pa.array(lists, pa.list_(pa.int32()))[start:]
    starts, values = offsets(column), numbers(column)
    assert [values[begin:end].tolist() for begin, end in pairwise(starts.tolist())] == lists[start:]
    assert id_lists(starts, values).equals(column)
    assert starts.dtype == values.dtype == np.int64


@given(st.lists(LISTS, max_size=4))
def test_numbers_of_nested_lists_are_flattened(nested: list[list[list[int]]]) -> None:
    column = pa.array(nested, pa.list_(pa.list_(pa.int32())))
    assert numbers(column).tolist() == [number for lists in nested for one in lists for number in one]
    assert list_array(offsets(column), column.flatten()).equals(column)


@given(TEXTS, st.integers(0, 3), st.integers(0, 3))
def test_strings_are_joined(texts: list[str], start: int, n: int) -> None:
    assert text_of(pa.array(texts, pa.string())) == "".join(texts)
    assert text_of(pa.array(texts, pa.string()).slice(start, n)) == "".join(texts[start:][:n])


@given(TEXTS, TEXTS)
def test_chunks_of_a_column_become_one_array(left: list[str], right: list[str]) -> None:
    for chunks in ([left, right], [left], []):
        column = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
        assert whole(pa.table({"text": column}), "text").to_pylist() == [text for chunk in chunks for text in chunk]


@given(st.text("a\xe9中\u0800😀\x7f\uffff", max_size=20))
def test_a_text_becomes_an_array_of_characters(text: str) -> None:
    characters = characters_of(text)
    characters.validate(full=True)
    assert characters.to_pylist() == list(text) and text_of(characters) == text

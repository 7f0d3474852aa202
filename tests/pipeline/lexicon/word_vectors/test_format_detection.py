"""The format of a file is determined from its first bytes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.lexicon.word_vectors.format_detection import (
    BOM,
    format_of,
    header_of,
    holds_vectors,
    is_number,
    trailing_numbers,
)

FIELD = st.sampled_from(
    [b"x", b"1", b"-2.5", b"1e-3", b"nan", b"-inf", b"1,5", b"0x1", b"\xe4\xb8\xad", b"1.2.3", b"."]
)
NUMBERS = {b"1", b"-2.5", b"1e-3", b"nan", b"-inf"}
FLOATS = st.lists(st.floats(width=32), min_size=1, max_size=6)
WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=4)


@given(st.lists(FIELD, max_size=8))
def test_trailing_numbers_are_counted(fields: list[bytes]) -> None:
    expected = 0
    for n in range(1, len(fields)):
        if all(field in NUMBERS for field in fields[-n:]):
            expected = n
    assert trailing_numbers(fields) == expected
    assert [is_number(field) for field in fields] == [field in NUMBERS for field in fields]


@given(word=WORD, numbers=FLOATS, header=st.booleans(), byte_order_mark=st.booleans(), rest=st.binary(max_size=40))
def test_text_after_a_row_of_numbers_does_not_change_the_format(
    word: str, numbers: list[float], header: bool, byte_order_mark: bool, rest: bytes
) -> None:
    row = f"{word} {' '.join(map(repr, numbers))}\n".encode()
    start = (BOM if byte_order_mark else b"") + (b"5 %d\n" % len(numbers) if header else b"") + row + rest
    if header or not header_of((BOM if byte_order_mark else b"") + row):  # "1 2" alone is a header
        assert format_of(start) == "text"


@given(words=st.integers(1, 10**9), width=st.integers(1, 2000), word=WORD, seed=st.integers(0, 99))
def test_a_header_before_bytes_is_binary(words: int, width: int, word: str, seed: int) -> None:
    numbers = np.random.default_rng(seed).normal(size=max(width, 60)).astype("<f4").tobytes()
    start = b"%d %d\n" % (words, width) + word.encode() + b" " + numbers
    assert format_of(start) == "binary" and holds_vectors(start)
    assert format_of(word.encode() + b" \x00\x01" + numbers) is None, "bytes without a header have no known format"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_all_protocols_are_recognised(protocol: int) -> None:
    assert format_of(pickle.dumps({"vectors": 1}, protocol)) == "pickle"


def test_fasttext_empty_and_unknown_files() -> None:
    assert format_of((793712314).to_bytes(4, "little") + bytes(20)) == "fasttext"
    assert format_of(b"") is None and not holds_vectors(b"")
    assert format_of(b"\x80\x09" + bytes(9)) is None, "not a known pickle protocol"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"10 300", (10, 300)),
        (BOM + b"10 300\r", (10, 300)),
        (b" 10\t300 ", (10, 300)),
        (b"10 300 1", None),
        (b"10", None),
        (b"10 3.5", None),
        (b"10 -3", None),
        (b"x 300", None),
        (b"123456789012 3", None),
        ("１０ ３".encode(), None),
    ],
)
def test_a_header_consists_of_two_whole_numbers(line: bytes, expected: tuple[int, int] | None) -> None:
    assert header_of(line) == expected


def test_files_without_rows_of_numbers_hold_no_vectors() -> None:
    rows = "".join(f"词{n} 0.1 0.2 0.3\n" for n in range(9)).encode()
    assert holds_vectors(rows) and holds_vectors(b"9 3\n" + rows)
    assert holds_vectors(b"two words here\n" + rows), "most rows are valid"
    assert not holds_vectors("# 说明\n这些向量来自 2019\n版权 所有\n".encode())
    assert not holds_vectors(b"word 1\nother 2\nthird 3\n"), "a list of counts"
    assert not holds_vectors(b"one line\ntwo lines\nthree of them\n" + rows), (
        "at most half of the first six rows are valid"
    )
    assert not holds_vectors(b"a b c 1 2\nsome text\nmore text\n")

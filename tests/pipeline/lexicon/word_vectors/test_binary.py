"""word2vec binary: numbers are read exactly, and messages name the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import open_vectors

WORD = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters=" \n") | st.sampled_from("\t\r\x0b\x0c\u3000中"),
    min_size=1,
    max_size=5,
)


def _read(path: Path, encoding: str = "utf-8") -> tuple[list[str], bytes]:
    words: list[str] = []
    numbers = b""
    with open_vectors(path, encoding=encoding) as reader:
        for block, matrix in reader.blocks():
            assert matrix.dtype == np.float32 and matrix.shape == (len(block), reader.width)
            words += block
            numbers += matrix.tobytes()
    assert (reader.n_rows, reader.n_in_header, reader.ended) == (len(words), len(words), True)
    return words, numbers


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    words=st.lists(WORD, min_size=1, max_size=8),
    width=st.integers(1, 5),
    row_end=st.sampled_from([b"", b"\n", b"\n\n"]),
    data=st.data(),
)
def test_numbers_that_look_like_blanks_and_line_ends_are_read_exactly(
    tmp_path: Path, words: list[str], width: int, row_end: bytes, data: st.DataObject
) -> None:
    row_bytes = st.binary(min_size=4 * width, max_size=4 * width) | st.sampled_from(
        [b" " * 4 * width, b"\n" * 4 * width]
    )
    numbers = [data.draw(row_bytes) for _ in words]
    # the first row determines the format: blanks and digits alone would make it text
    rows = [b"first " + bytes(4 * width) + row_end]
    rows += [word.encode() + b" " + row + row_end for word, row in zip(words, numbers, strict=True)]
    (tmp_path / "v.bin").write_bytes(b"%d %d\n" % (len(rows), width) + b"".join(rows))
    assert _read(tmp_path / "v.bin") == (["first", *words], bytes(4 * width) + b"".join(numbers))


@example(n_valid=3)
@given(n_valid=st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_word_of_another_encoding_is_refused_with_its_byte_offset(tmp_path: Path, n_valid: int) -> None:
    numbers = np.arange(3, dtype="<f4").tobytes()
    rows = [f"词{n}".encode() + b" " + numbers for n in range(n_valid)]
    rows += ["语言".encode("gb18030") + b" " + numbers] * 10
    head = b"%d 3\n" % len(rows)
    (tmp_path / "v.bin").write_bytes(head + b"".join(rows))
    offset = len(head) + sum(map(len, rows[:n_valid]))
    with pytest.raises(InputDataError, match=rf"v\.bin: byte {offset}: the word is not utf-8, as 10 of {len(rows)}"):
        _read(tmp_path / "v.bin")


@pytest.mark.parametrize("longest", [True, False])
def test_words_of_more_than_4095_bytes_are_refused(tmp_path: Path, longest: bool) -> None:
    length = 4095 if longest else 5000
    body = b"2 2\n" + b"x \0\0\0\0\0\0\0\0" + b"w" * length + b" " + bytes(8)
    (tmp_path / "v.bin").write_bytes(body)
    if longest:
        assert _read(tmp_path / "v.bin")[0] == ["x", "w" * 4095]
    else:
        with pytest.raises(InputDataError, match=r"v\.bin: no word ends within 4096 bytes of byte 14"):
            _read(tmp_path / "v.bin")


@pytest.mark.parametrize("header", ["5 0", "0 5", "5 65537"])
def test_a_header_with_impossible_sizes_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "v.bin").write_bytes(header.encode() + b"\nx " + bytes(40))
    with pytest.raises(InputDataError, match=rf"v\.bin: holds no vectors \(header {header}\)"):
        _read(tmp_path / "v.bin")


def test_bytes_after_the_last_word_are_refused_except_line_ends(tmp_path: Path) -> None:
    body = b"1 1\nx \0\0\0\0"
    (tmp_path / "v.bin").write_bytes(body + b"\n\n")
    assert _read(tmp_path / "v.bin") == (["x"], bytes(4))
    (tmp_path / "v.bin").write_bytes(body + b"\ny")
    with pytest.raises(
        InputDataError, match=rf"more bytes after byte {len(body)}, where the 1 words of its header end"
    ):
        _read(tmp_path / "v.bin")

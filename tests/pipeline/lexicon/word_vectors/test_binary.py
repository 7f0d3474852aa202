"""word2vec binary: every bit of the numbers, and messages that name the byte."""

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
    ending=st.sampled_from([b"", b"\n", b"\n\n"]),
    data=st.data(),
)
def test_numbers_come_back_bit_by_bit_though_they_look_like_blanks_and_line_ends(
    tmp_path: Path, words: list[str], width: int, ending: bytes, data: st.DataObject
) -> None:
    some = st.binary(min_size=4 * width, max_size=4 * width) | st.sampled_from([b" " * 4 * width, b"\n" * 4 * width])
    numbers = [data.draw(some) for _ in words]
    # the first row tells the format: blanks and digits alone would make it text
    rows = [b"first " + bytes(4 * width) + ending]
    rows += [word.encode() + b" " + row + ending for word, row in zip(words, numbers, strict=True)]
    (tmp_path / "v.bin").write_bytes(b"%d %d\n" % (len(rows), width) + b"".join(rows))
    assert _read(tmp_path / "v.bin") == (["first", *words], bytes(4 * width) + b"".join(numbers))


@example(at=3)
@given(at=st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_word_of_another_encoding_is_refused_with_the_byte_it_begins_at(tmp_path: Path, at: int) -> None:
    numbers = np.arange(3, dtype="<f4").tobytes()
    rows = [f"词{n}".encode() + b" " + numbers for n in range(at)]
    rows += ["语言".encode("gb18030") + b" " + numbers] * 10
    head = b"%d 3\n" % len(rows)
    (tmp_path / "v.bin").write_bytes(head + b"".join(rows))
    begins = len(head) + sum(map(len, rows[:at]))
    with pytest.raises(InputDataError, match=rf"v\.bin: byte {begins}: the word is not utf-8, as 10 of {len(rows)}"):
        _read(tmp_path / "v.bin")


@pytest.mark.parametrize("longest", [True, False])
def test_a_word_may_be_long_but_not_endless(tmp_path: Path, longest: bool) -> None:
    length = 4095 if longest else 5000
    body = b"2 2\n" + b"x \0\0\0\0\0\0\0\0" + b"w" * length + b" " + bytes(8)
    (tmp_path / "v.bin").write_bytes(body)
    if longest:
        assert _read(tmp_path / "v.bin")[0] == ["x", "w" * 4095]
    else:
        with pytest.raises(InputDataError, match=r"v\.bin: no word ends within 4096 bytes of byte 14"):
            _read(tmp_path / "v.bin")


@pytest.mark.parametrize("header", ["5 0", "0 5", "5 65537"])
def test_a_header_without_words_or_with_a_width_that_cannot_be_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "v.bin").write_bytes(header.encode() + b"\nx " + bytes(40))
    with pytest.raises(InputDataError, match=rf"v\.bin: holds no vectors \(header {header}\)"):
        _read(tmp_path / "v.bin")


def test_what_follows_the_last_word_is_placed_and_line_ends_are_nothing(tmp_path: Path) -> None:
    body = b"1 1\nx \0\0\0\0"
    (tmp_path / "v.bin").write_bytes(body + b"\n\n")
    assert _read(tmp_path / "v.bin") == (["x"], bytes(4))
    (tmp_path / "v.bin").write_bytes(body + b"\ny")
    with pytest.raises(
        InputDataError, match=rf"more bytes after byte {len(body)}, where the 1 words of its header end"
    ):
        _read(tmp_path / "v.bin")

"""Bytes are decoded into the lines that plain Python gives, and files that are not text are refused first."""

from __future__ import annotations

import gzip
import io
import os
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.predict.input.text_decoding import HEAD, Source, check_encoding

ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
characters = st.sampled_from(["北", "京", "\u2028", "\x85", "\r", "\n", "\x0b", "Ċ", "ਊ", "𠮷", "a", "\t", "\ue000"])
texts = st.lists(characters, max_size=40).map("".join)


def _source(data: bytes, encoding: str | None = None, **options: object) -> Source:
    return Source(io.BytesIO(data), name="a.txt", encoding=encoding, **options)


def _read_error(data: bytes, encoding: str | None = None) -> InputDataError:
    with pytest.raises(InputDataError) as raised:
        list(_source(data, encoding).lines())
    return raised.value


@given(text=texts, encoding=st.sampled_from(ENCODINGS), packed=st.booleans())
@example(text="\n\n", encoding="utf-16-be", packed=False)
@example(text="Ċ\nਊ", encoding="utf-16-le", packed=True)
@example(text="北\r京\r", encoding="gb18030", packed=False)
def test_a_line_feed_ends_a_line_or_a_carriage_return_in_a_text_without_line_feeds(
    text: str, encoding: str, packed: bool
) -> None:
    data = text.encode(encoding)
    source = _source(gzip.compress(data) if packed else data, encoding)
    lines = list(source.lines())
    end = "\r" if "\r" in text and "\n" not in text else "\n"
    pieces = text.split(end)
    expected = [f"{piece}{end}" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    assert [line.text for line in lines] == expected
    assert [line.number for line in lines] == list(range(1, len(expected) + 1))


@given(text=texts, encoding=st.sampled_from(sorted(MARKS)), packed=st.booleans())
def test_marks_are_removed_and_every_byte_counts_as_progress(text: str, encoding: str, packed: bool) -> None:
    data = MARKS[encoding] + text.encode(encoding)
    content = gzip.compress(data) if packed else data
    progress: list[int] = []
    source = _source(content, advance=progress.append)
    assert source.encoding == encoding
    assert "".join(line.text for line in source.lines()) == text
    assert source.beginning() == text[: len(source.beginning())]
    if packed or text:
        assert sum(progress) == len(content)


def test_the_beginning_contains_only_complete_characters() -> None:
    source = _source("北".encode() * HEAD)
    assert source.beginning() == "北" * (HEAD // 3)
    assert sum(len(line.text) for line in source.lines()) == HEAD  # peeking consumed nothing


def test_lines_of_a_pipe_are_read_immediately() -> None:
    reading, writing = os.pipe()
    os.write(writing, "北京\n".encode())
    with os.fdopen(reading, "rb") as stream:
        lines = Source(stream, name="-").lines()
        closing = threading.Timer(60, os.close, [writing])  # so that a fault does not hang the tests
        closing.start()
        assert next(lines).text == "北京\n"
        closing.cancel()
        os.write(writing, "上海".encode())
        os.close(writing)
        assert [line.text for line in lines] == ["上海"]


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (
            "北\n京".encode()[:-1],
            None,
            "a.txt:2: not UTF-8 (byte 1 of the line is 0xe4: unexpected end of data); "
            "the line reads as GB18030 '浜' and as BIG5HKSCS '鈭'",
        ),
        (
            "北\n".encode("gbk") + b"\xff",
            "gbk",
            "a.txt:2: not GBK (byte 1 of the line is 0xff: incomplete multibyte sequence)",
        ),
        ("北\n".encode() + b"\xff", None, "a.txt:2: not UTF-8 (byte 1 of the line is 0xff: invalid start byte)"),
        (b"\xef\xbb\xbf\xff", None, "a.txt:1: not UTF-8 (byte 4 of the line is 0xff: invalid start byte)"),
        (b"\xff\xfe\x00\xd8", None, "a.txt:1: not UTF-16-LE (byte 3 of the line is 0x00: unexpected end of data)"),
    ],
)
def test_invalid_bytes_are_reported_with_their_position(data: bytes, encoding: str | None, message: str) -> None:
    error = _read_error(data, encoding)
    assert error.message == message
    assert "--encoding" in error.next_step and "--errors replace" in error.next_step
    assert "\ufffd" in "".join(line.text for line in _source(data, encoding).lines("replace"))


@pytest.mark.parametrize("codec", ["gb18030", "big5hkscs"])
def test_bytes_that_are_not_utf_8_are_shown_as_the_text_that_they_may_be(codec: str) -> None:
    error = _read_error("他們在臺北\n".encode(codec))
    assert f"as {codec.upper()} '他們在臺北'" in error.message
    assert f"--encoding ({'gb18030' if 'GB18030' in error.message else codec}, if that is it)" in error.next_step


def test_replaced_characters_are_counted_in_a_note() -> None:
    notes: list[str] = []
    data = "王\ufffd\n".encode() + b"\xff\xfe\n" + "\n明".encode() + b"\xff"
    assert [line.text for line in _source(data).lines("replace", note=notes.append)][1:] == [
        "\ufffd\ufffd\n",
        "\n",
        "明\ufffd",
    ]
    assert notes == [
        "a.txt: 3 characters read as U+FFFD, for bytes that are not UTF-8; if many are, the text has another encoding"
    ]
    list(_source("王\ufffd".encode()).lines("replace", note=notes.append))
    assert len(notes) == 1


@pytest.mark.parametrize("length", [3, 15, -9, -4, -1])
def test_truncated_gzip_is_refused(length: int) -> None:
    packed = gzip.compress(os.urandom(3 * HEAD).hex().encode())
    error = _read_error(packed[:length])
    assert error.message.startswith("a.txt: damaged or incomplete gzip file (")
    assert error.next_step == "copy it again"


def test_gzip_with_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress("北京\n".encode() * 4_000))
    packed[-6] ^= 1
    assert "damaged" in _read_error(bytes(packed)).message


@pytest.mark.parametrize(
    ("magic", "description", "next_step"),
    [
        (b"\xfd7zXZ\x00", "packed with xz", "unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
        (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
        (b"\x89PNG\r\n", "a picture", "name files of text"),
        (b"\xff\xd8\xff\xe0", "a picture", "name files of text"),
    ],
)
def test_binary_files_are_refused_by_kind(magic: bytes, description: str, next_step: str) -> None:
    error = _read_error(magic + bytes(60), "latin-1")
    assert error.message == f"a.txt: {description}, not text" and error.next_step.startswith(next_step)


@pytest.mark.parametrize(("nuls", "length", "text"), [(2, 4, True), (3, 40, False), (4, 64, True), (5, 64, False)])
def test_few_nul_bytes_are_text_and_many_are_not(nuls: int, length: int, text: bool) -> None:
    data = b"a" * (length - nuls) + bytes(nuls)
    if text:
        assert [line.text for line in _source(data).lines()] == [data.decode()]
    else:
        assert "full of NUL bytes, not text in utf-8" in _read_error(data).message


def test_encoding_names_are_normalised() -> None:
    assert [check_encoding(name) for name in ("UTF8", "utf-8-sig", "GBK", "U16")] == ["utf-8", "utf-8", "gbk", "utf-16"]
    with pytest.raises(ParameterError) as raised:
        check_encoding("rot13")
    assert raised.value.message == "encoding 'rot13': unknown, or not a text encoding"
    assert _read_error(b"a", "utf-32").next_step.startswith("name the encoding utf-32-le ")
    assert _source("\ufeff北".encode("utf-16-be"), "utf-16").encoding == "utf-16-be"  # the mark says which

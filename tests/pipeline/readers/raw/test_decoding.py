"""Lines in any encoding, compared with splitting the whole text."""

from __future__ import annotations

import io
import re
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.readers.raw import decoding
from ssmi.pipeline.readers.raw.decoding import LONGEST_LINE, BadBytes, byte_order_mark, decoded_blocks, decoded_lines

# In UTF-16 and UTF-32 some letters contain a line-end byte; U+0085 and U+2028 do not end a line.
TEXT = st.text("京a\u0a0d\u0d0a\u0a0a\u0d0d\u010a\u0a01\r\n\x85\u2028😀", max_size=40)
CODECS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def refuse(bad: BadBytes) -> Exception:
    return ValueError(bad)


def too_long(number: int) -> Exception:
    return OverflowError(number)


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=30, deadline=None)
@given(text=TEXT, times=st.sampled_from([1, 2000]))
def test_lines_equal_those_of_the_split_text(codec: str, end: Literal["\n", "\r"], text: str, times: int) -> None:
    text *= times  # longer than one read
    raw = text.encode(codec)
    lines = list(decoded_lines(io.BytesIO(raw), codec=codec, end=end, refuse=refuse, too_long=too_long))
    *complete, rest = text.split(end)
    assert [line.text for line in lines] == [f"{line}{end}" for line in complete] + [rest] * bool(rest)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert sum(line.n_bytes for line in lines) == len(raw)


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=60, deadline=None)
@given(text=TEXT, longest=st.sampled_from([8, LONGEST_LINE]), chunk=st.sampled_from([4, 1 << 16]))
def test_a_carriage_return_ends_lines_only_where_no_line_feed_does(
    codec: str, text: str, longest: int, chunk: int
) -> None:
    first = text.partition("\n")[0]
    assume(len(first) < longest or "\n" not in text)  # otherwise the line feed comes too late to count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "LONGEST_LINE", 4 * longest)
        patch.setattr(decoding, "_CHUNK", chunk)
        stream = io.BytesIO(text.encode(codec))
        try:
            lines = list(decoded_lines(stream, codec=codec, refuse=refuse, too_long=too_long))
        except (OverflowError, ValueError):
            return  # a line over the limit, which may be cut inside a character
    assert "".join(line.text for line in lines) == text
    contents = [line.text.removesuffix(line.end) for line in lines]
    if "\n" in text or "\r" not in text:
        assert contents == [re.sub("\r?\n$|\r$", "", line) for line in re.findall("[^\n]*\n|[^\n]+$", text)]
    else:
        assert contents == text.removesuffix("\r").split("\r")


def test_carriage_returns_end_the_lines_of_a_text_longer_than_the_longest_line() -> None:
    raw = "王小明\r".encode() * (LONGEST_LINE // 9)
    lines = decoded_lines(io.BytesIO(raw), codec="utf-8", refuse=refuse, too_long=too_long)
    assert {(line.text, line.end) for line in lines} == {("王小明\r", "\r")}
    assert len(raw) > LONGEST_LINE


@pytest.mark.parametrize("codec", CODECS)
def test_a_byte_order_mark_is_removed_and_is_not_a_line(codec: str) -> None:
    raw = "\ufeff京\n".encode(codec)
    mark, detected = byte_order_mark(raw)
    assert detected == codec and mark == "\ufeff".encode(codec)
    assert [
        line.text for line in decoded_lines(io.BytesIO(raw), codec=codec, mark=mark, refuse=refuse, too_long=too_long)
    ] == ["京\n"]
    assert list(decoded_lines(io.BytesIO(mark), codec=codec, mark=mark, refuse=refuse, too_long=too_long)) == []
    assert byte_order_mark(b"abc") == (b"", None)


def test_invalid_bytes_are_reported_with_their_line_or_replaced() -> None:
    raw = b"ab\nc\xff\n"
    with pytest.raises(ValueError) as caught:
        list(decoded_lines(io.BytesIO(raw), codec="utf-8", refuse=refuse, too_long=too_long))
    bad = caught.value.args[0]
    assert (bad.number, bad.raw, bad.index) == (2, b"c\xff\n", 1)
    assert bad.fault == "byte 2 of the line is 0xff: invalid start byte"
    lines = decoded_lines(io.BytesIO(raw), codec="utf-8", errors="replace", refuse=refuse, too_long=too_long)
    assert [line.text for line in lines] == ["ab\n", "c\ufffd\n"]


PIECES = st.sampled_from(
    [b"a", "京".encode(), "😀".encode(), b"\n", b"\r\n", b"\r", b"\n\n", b"\xe4", b"\xff", b"\xef\xbb\xbf"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map(b"".join), st.integers(1, 7), st.booleans())
def test_blocks_of_lines_equal_single_lines(raw: bytes, block: int, keep_ends: bool) -> None:
    single_lines: list[object] = []
    block_lines: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_BLOCK", block)
        patch.setattr(decoding, "LONGEST_LINE", 9)
        try:
            for line in decoded_lines(io.BytesIO(raw), codec="utf-8", end="\n", refuse=refuse, too_long=too_long):
                text = line.text if keep_ends else line.text.removesuffix("\n").removesuffix("\r")
                single_lines.append((line.number, text))
        except (ValueError, OverflowError) as error:
            single_lines.append(error.args)
        try:
            blocks = decoded_blocks(io.BytesIO(raw), refuse=refuse, too_long=too_long, keep_ends=keep_ends)
            for first, lines in blocks:
                block_lines += enumerate(lines, first)
        except (ValueError, OverflowError) as error:
            block_lines.append(error.args)
    assert block_lines == single_lines


class EndlessStream(io.RawIOBase):
    """An endless stream that counts the bytes read from it."""

    def __init__(self, beginning: bytes, block: bytes) -> None:
        self.rest, self.block, self.n_read = beginning, block, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = (self.rest or self.block)[: len(buffer)]
        self.rest = self.rest[len(data) :]
        buffer[: len(data)] = data
        self.n_read += len(data)
        return len(data)


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-32-be"])
def test_reading_lines_stops_early_in_an_endless_line(codec: str, end: Literal["\n", "\r"]) -> None:
    stream = EndlessStream(f"京{end}".encode(codec), "a".encode(codec) * 4096)
    lines = decoded_lines(io.BufferedReader(stream), codec=codec, end=end, refuse=refuse, too_long=too_long)
    assert next(lines).text == f"京{end}"
    with pytest.raises(OverflowError, match="2"):
        next(lines)
    assert LONGEST_LINE < stream.n_read <= LONGEST_LINE + (1 << 17)


def test_reading_blocks_stops_early_in_an_endless_line() -> None:
    stream = EndlessStream(b"", b"a" * 4096)
    with pytest.raises(OverflowError):
        list(decoded_blocks(io.BufferedReader(stream), refuse=refuse, too_long=too_long))
    assert LONGEST_LINE < stream.n_read <= LONGEST_LINE + (1 << 17)


def test_a_line_of_the_maximum_length_is_read() -> None:
    raw = b"a" * (LONGEST_LINE - 1) + b"\nb"
    lines = decoded_lines(io.BytesIO(raw), codec="utf-8", refuse=refuse, too_long=too_long)
    assert [line.n_bytes for line in lines] == [LONGEST_LINE, 1]

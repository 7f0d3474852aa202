"""Lines and whole texts of files in any encoding, plain or packed."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.options import ReadOptions, options_from
from ssmi.pipeline.readers.raw.lines import numbered_lines, read_text
from ssmi.pipeline.readers.texts import read_texts
from ssmi.predict.input.reading import read_records

Write = Callable[..., Path]

TEXT = "李 B-PER\n明 I-PER\n😀 O\n\n京 B-LOC\n"
LINES = ["李 B-PER", "明 I-PER", "😀 O", "", "京 B-LOC"]
BYTE_ORDER_MARKS = {
    "utf-8-sig": "utf-8",
    "utf-16": "utf-16",
    "utf-32": "utf-32",
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


def lines(path: Path, encoding: str | None = None) -> list[str]:
    numbered = list(numbered_lines(path, encoding=encoding))
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [line for _, line in numbered]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("codec", BYTE_ORDER_MARKS)
def test_a_byte_order_mark_names_the_encoding(write: Write, codec: str, packed: bool, end: str) -> None:
    mark = BYTE_ORDER_MARKS[codec]
    raw = (mark if isinstance(mark, bytes) else b"") + TEXT.replace("\n", end).encode(codec)
    path = write(gzip.compress(raw) if packed else raw)
    assert lines(path) == LINES
    assert lines(path, "gb18030") == LINES  # the byte order mark takes precedence
    assert read_text(path) == TEXT
    assert read_text(path, keep_ends=True) == TEXT.replace("\n", end)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("codec", ["gb18030", "utf-16-le", "utf-8"])
def test_other_encodings_are_given_as_an_option(write: Write, codec: str, end: str) -> None:
    path = write(TEXT.replace("\n", end).encode(codec))
    assert lines(path, codec) == LINES
    sentences, report = read_sentences(path, options=ReadOptions(encoding=codec))
    assert [sentence.text for sentence in sentences] == ["李明😀", "京"]
    assert report.n_entities == 2


def test_big5_is_read(write: Write) -> None:
    path = write("陳 B-PER\n許 O\n\n".encode("big5"))  # 許 ends in 0x5C, a backslash in ASCII
    assert lines(path, "big5") == ["陳 B-PER", "許 O", ""]


@pytest.mark.parametrize("codec", ["gb18030", "utf-16"])
@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\ufeff\0")), min_size=1))
def test_lines_are_the_same_in_every_encoding(
    tmp_path_factory: pytest.TempPathFactory, codec: str, rows: list[str]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "raw"
    text = "".join(f"{row}\n" for row in rows)
    path.write_bytes(text.encode(codec))
    assert lines(path, codec) == rows
    path.write_bytes(text.encode())
    assert lines(path) == rows


def test_lines_longer_than_a_piece_are_read(write: Write) -> None:
    long = "京" * 70_000
    path = write(f"{long}\n李\n{long}".encode("gb18030"))
    assert lines(path, "gb18030") == [long, "李", long]
    assert lines(write(f"李\r{long}\r{long}")) == ["李", long, long]


@pytest.mark.parametrize(
    ("codec", "suggested"), [("gb18030", "gb18030"), ("gbk", "gb18030"), ("utf-16-le", "utf-16-le")]
)
def test_an_encoding_is_suggested_but_never_guessed(write: Write, codec: str, suggested: str) -> None:
    path = write("李 B-PER\n明 I-PER\n".encode(codec))
    with pytest.raises(InputDataError) as caught:
        lines(path)
    assert caught.value.message.startswith(f"{path}:1: not UTF-8 (byte ")
    assert f"`encoding: {suggested}`" in caught.value.next_step
    if codec.startswith("gb"):
        assert "the line reads as GB18030 '李 B-PER'" in caught.value.message


@pytest.mark.parametrize("before", [1, 30_000])
def test_bytes_invalid_in_the_given_encoding_are_refused_with_their_line(write: Write, before: int) -> None:
    path = write("京 O\n".encode("gb18030") * before + b"\xff O\n" + "京 O\n".encode("gb18030") * 9)
    with pytest.raises(InputDataError, match=f":{before + 1}: not GB18030 \\(byte 1 of the line is 0xff: "):
        lines(path, "gb18030")
    with pytest.raises(InputDataError, match=f":{before + 1}: not GB18030"):
        read_text(path, encoding="gb18030")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encodng": "gbk"}, "unknown key, did you mean 'encoding'"),
        ({"encoding": "gb18031"}, "encoding 'gb18031' is not known, did you mean 'gb18030'"),
        ({"encoding": "hex"}, "is not known"),
        ({"offsets": "bytes"}, "offsets: expected auto, code-points or utf-16, got bytes"),
        ({"labels": []}, "labels: expected at least 1 entry, got []"),
        ({"labels": ["O", ""]}, "labels, entry 2: '' is empty"),
        ({"tag_map": {"PER": ""}}, "tag_map.PER: '' is empty"),
        ({"tag_map": {"PER": "P", "ORG X": "A\nB"}}, "tag_map.ORG X: 'A\\nB' is empty or holds a control character"),
        ({"tag_map": {"PER": " P"}}, "tag_map.PER: ' P' is empty or holds"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputDataError) as caught:
        options_from(options, source="dataset.yaml")
    assert caught.value.message.startswith("dataset.yaml: ") and message in caught.value.message


def test_invalid_command_line_options_are_parameter_errors() -> None:
    with pytest.raises(ParameterError, match="offsets: "):
        options_from({"offsets": "utf8"}, source="options", refusal=ParameterError)


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "UTF16"])
def test_an_unknown_byte_order_is_refused_with_advice(write: Write, codec: str) -> None:
    path = write(TEXT.encode("utf-16-be"))
    for read in (lines, lambda path, codec: read_text(path, encoding=codec)):
        with pytest.raises(InputDataError, match="no byte order mark") as caught:
            read(path, codec)
        assert "-le" in caught.value.next_step and "-be" in caught.value.next_step


def test_the_suggested_command_has_the_encoding_name_of_iconv(write: Write) -> None:
    with pytest.raises(InputDataError, match="iconv -f UTF-16LE -t UTF-8") as caught:
        lines(write(TEXT.encode("utf-16-le")))
    assert "`encoding: utf-16-le`" in caught.value.next_step


@pytest.mark.parametrize("unit", ["utf-16", "utf16", "UTF_16", "codepoints", "code-points", "auto"])
def test_common_spellings_of_units_are_accepted(unit: str) -> None:
    assert options_from({"offsets": unit}, source="x").offsets in ("utf-16", "code-points", "auto")


def test_a_lone_nul_is_a_character(write: Write) -> None:
    assert lines(write("李明在北京大学\0学习\n")) == ["李明在北京大学\0学习"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, 3000), st.floats(0, 1), st.booleans())
def test_broken_gzip_gives_the_lines_before_the_break(write: Write, n: int, fraction: float, is_cut: bool) -> None:
    packed = bytearray(gzip.compress("".join(f"{number * 7919} 京\n" for number in range(n)).encode(), mtime=0))
    at = 20 + int((len(packed) - 21) * fraction)
    if is_cut:
        del packed[at:]
    else:
        packed[at] ^= 0xFF
    path = write(bytes(packed), "raw.txt.gz")
    expected = []
    broken = (EOFError, OSError, zlib.error)
    with pytest.raises(broken), io.BufferedReader(gzip.open(path, "rb")) as stream:
        with suppress(*broken):
            stream.read(1 << 16)  # the head of the file, which is read before the lines
        stream.seek(0)
        for line in stream:
            try:
                expected.append(line.decode().removesuffix("\n").removesuffix("\r"))
            except UnicodeDecodeError:
                reject()  # a line before the break would be refused for another reason
    read_lines = []
    with pytest.raises(InputDataError, match=rf"raw\.txt\.gz:{len(expected) + 1}: broken gzip data"):
        for _, text in numbered_lines(path):
            read_lines.append(text)
    assert read_lines == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{'京' * 30_000}\r城\n人\n", [f"{'京' * 30_000}\r城", "人"]),
        (f"{'京' * 30_000}\r城\r", ["京" * 30_000, "城"]),
        ("京\n城\r", ["京", "城"]),
        ("京\r\n城\r", ["京", "城"]),
        ("京\n\r", ["京", ""]),
        ("京\r", ["京"]),
    ],
    ids=["late-line-feed", "no-line-feed", "last-after-LF", "last-after-CRLF", "last-alone", "only"],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "gb18030"])
def test_lines_end_alike_in_labelled_files_corpora_and_new_texts(
    write: Write, text: str, expected: list[str], codec: str
) -> None:
    raw = text.encode(codec)
    assert lines(write(raw), codec) == expected
    marked = write(b"\xff\xfe" + raw) if codec == "utf-16-le" else write(text.encode())
    assert [one.text for one in read_texts(marked, field="text")] == expected
    assert [one.text for one in read_records(io.BytesIO(raw), name="a.txt", kind="text", encoding=codec)] == expected

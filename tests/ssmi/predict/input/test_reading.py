"""Input files are read according to their format, or refused with the next step; nothing is guessed."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.predict.input.reading import Record, read_records
from ssmi.predict.input.structured_files import kind_of_name

LINES = ["王小明在北京大学。", "", "上海一中\u2028人民医院", "a\tb \ue000𠮷😀", "Ċ上 ਊ"]
"""Texts, some of whose letters contain the byte of a line end in UTF-16."""


def read(data: bytes, **options: Any) -> list[Record]:
    return list(read_records(io.BytesIO(data), name="a.txt", **{"kind": None, **options}))


def texts(data: bytes, **options: Any) -> list[str]:
    return [record.text for record in read(data, **options)]


def read_error(data: bytes, **options: Any) -> str:
    with pytest.raises(InputDataError) as raised:
        read(data, **options)
    return str(raised.value)


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_determines_the_encoding(encoding: str, end: str) -> None:
    mark = "\ufeff" if encoding.endswith(("e", "utf-8")) else ""
    data = (mark + "".join(line + end for line in LINES)).encode(encoding)
    assert texts(data) == LINES
    assert texts(data, encoding=encoding) == LINES
    progress: list[int] = []
    texts(data, advance=progress.append)
    assert sum(progress) == len(data)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
@given(lines=st.lists(st.text(st.characters(exclude_characters="\0\r\n\ufeff", codec="utf-8"), min_size=1), min_size=1))
def test_any_line_is_read_in_a_given_encoding(encoding: str, lines: list[str]) -> None:
    data = "\n".join([*lines, "中"]).encode(encoding)
    assert texts(data, kind="text", encoding=encoding)[-1] == "中"
    if not any(mark in data[:4] for mark in (b"\xff\xfe", b"\xfe\xff")) and b"\x00" not in data[:1]:
        assert texts(data, kind="text", encoding=encoding) == [*lines, "中"]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (None, "北京\r\r上海\r", ["北京", "", "上海"]),
        ("text", "北京\r上海", ["北京", "上海"]),
        ("text", "北京\r上海\n公司\r", ["北京\r上海", "公司"]),
        ("text", "北京\r\n上海\r", ["北京", "上海"]),
        ("paragraphs", "北京\r上海\r\r公司\r", ["北京\r上海", "公司"]),
        ("jsonl", '{"text": "北京"}\r{"text": "上海"}\r', ["北京", "上海"]),
        ("json", '["北京",\r"上海"]\r', ["北京", "上海"]),
        ("csv", 'id,text\r1,"北\r京"\r2,上海\r', ["北\r京", "上海"]),
    ],
)
def test_carriage_returns_end_the_lines_of_a_text_without_line_feeds(
    kind: str | None, data: str, expected: list[str]
) -> None:
    assert texts(data.encode(), kind=kind) == expected


@pytest.mark.parametrize(
    ("data", "what"), [('{"text": "北京"}\r{"text": "上海"}\r', "JSON"), ("中 B-NS\r国 E-NS\r人 O\r", "label")]
)
def test_structure_is_recognised_in_lines_that_end_in_carriage_returns(data: str, what: str) -> None:
    assert what in read_error(data.encode())


def test_gbk_is_never_guessed() -> None:
    data = "王小明\n北京\n".encode("gbk")
    assert "a.txt:1: not UTF-8 (byte 1 of the line is 0xcd" in read_error(data) and "--encoding" in read_error(data)
    assert texts(data, encoding="gbk") == ["王小明", "北京"]
    assert "a.txt:2: not GBK (byte 1 of the line is 0xff" in read_error(
        "王小明\n".encode("gbk") + b"\xff\n", encoding="gbk"
    )
    assert texts("北".encode("gbk") + b"\xff\n", encoding="gbk", errors="replace") == ["北\ufffd"]


def test_the_given_encoding_must_agree_with_the_mark() -> None:
    assert "byte order mark of utf-16-le, not gbk" in read_error("\ufeff北京".encode("utf-16-le"), encoding="gbk")
    assert "does not say which utf-16" in read_error("北京".encode("utf-16-le"), encoding="utf-16")
    assert "a.txt:2: not UTF-16-LE (byte 1 of" in read_error(
        "北京\n".encode("utf-16") + b"\x00\xdc\n\x00", encoding="utf-16"
    )


@pytest.mark.parametrize("name", ["klingon", "base64", "unicode_escape", "idna", "cp037"])
def test_encodings_that_are_not_of_text_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="gb18030"):
        read(b"a", encoding=name)


def test_gzip_files_are_read() -> None:
    data = "".join(f"{line}\n" for line in LINES).encode("utf-16")
    assert texts(gzip.compress(data)) == LINES
    assert "gzip" in read_error(gzip.compress(data * 50)[:-20])
    assert "PDF" in read_error(gzip.compress(b"%PDF-1.7"))
    progress: list[int] = []
    compressed = gzip.compress(data)
    texts(compressed, advance=progress.append)
    assert sum(progress) == len(compressed)


# --- files that are not text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04\x14\x00", "zip archive"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"BZh91AY", "bzip2"),
        ("北京abc\n".encode("utf-16-le") * 20, "utf-16-le"),
        (bytes(range(8)) * 9, "NUL bytes"),
    ],
)
def test_binary_files_are_refused_for_every_kind(data: bytes, message: str) -> None:
    for kind in (None, "text", "jsonl", "csv"):
        assert message in read_error(data, kind=kind)


def test_a_text_can_contain_a_nul() -> None:
    assert texts("北\x00京\n".encode()) == ["北\x00京"]


@pytest.mark.parametrize(
    ("data", "option"),
    [
        ('[{"id": 1, "text": "北京"}]', "json"),
        ('["北京", "上海"]\n', "json"),
        ('[\n  {\n    "text": "北京"\n  }\n]\n', "json"),
        ('  {"data": [1]}', "jsonl"),
        ('{"text": "北京"}\n{"text": "上海"}\n', "jsonl"),
        ("[" + ",\n".join(['{"text": "北京"}'] * 900) + "]", "json"),
    ],
)
def test_json_in_a_text_file_is_refused(data: str, option: str) -> None:
    message = read_error(data.encode())
    assert "begins as JSON" in message and f"--input {option} " in message
    assert texts(data.encode(), kind="text")  # if requested explicitly


@pytest.mark.parametrize(
    "text", ["[图片] 今天", "{北京}", "[1] 王力：汉语", "[1]", '{"', "[]", "[", '["北京', "{}北京"]
)
def test_a_text_can_begin_with_a_bracket(text: str) -> None:
    assert texts(text.encode()) == [text]


@pytest.mark.parametrize("data", ['<?xml version="1.0"?><a/>', "<!DOCTYPE html>", "<html><p>北京"])
def test_markup_is_refused_unless_requested_as_text(data: str) -> None:
    assert "markup" in read_error(data.encode())
    assert texts(data.encode(), kind="text") == [data]


@pytest.mark.parametrize("name", ["a.xml", "b.HTML", "c.docx", "d.xlsx", "e.pdf", "f.zip", "g.parquet", "h.xml.gz"])
def test_unsupported_file_names_are_refused(name: str) -> None:
    with pytest.raises(InputDataError, match="by its name"):
        kind_of_name(Path(name))


def test_the_kind_of_a_file_is_known_by_its_name() -> None:
    names = ("a.txt", "a", "a.csv", "a.TSV", "a.json", "a.jsonl.gz", "a.gz")
    assert [kind_of_name(Path(name)) for name in names] == [None, None, "csv", "tsv", "json", "jsonl", None]


# --- rows -------------------------------------------------------------------------------------------------------------

CELL = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8)


@given(rows=st.lists(st.tuples(CELL, CELL), max_size=5), kind=st.sampled_from(["csv", "tsv"]))
def test_tables_are_read_back(rows: list[tuple[str, str]], kind: str) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter="\t" if kind == "tsv" else ",", quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "content"), *rows])
    records = read(written.getvalue().encode(), kind=kind, text_field="content")
    assert [(record.fields["id"], record.text) for record in records] == rows
    assert all(list(record.fields) == ["id"] for record in records)


def test_a_table_in_gbk_with_line_ends_in_its_fields_is_read() -> None:
    data = 'id,text\r\n1,"王小明\n在""北京"""\r\n\r\n2,上海\r\n'.encode("gbk")
    assert [dict(record.fields) for record in read(data, kind="csv", encoding="gbk")] == [
        {"id": "1", "text": '王小明\n在"北京"'},
        {"id": "2", "text": "上海"},
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("id,content\n1,北京\n", "a.txt:1: the header has no field 'text'; it has 'id', 'content'"),
        ("id;content\n1;北京\n", "the header has no field 'text'; it has 'id', 'content'"),
        ("id\tcontent\n1\t北京\n", "the header has no field 'text'; it has 'id', 'content'"),
        ("text;a\ttext\n1\t北京\n", "the header has no field 'text'; it has 'text;a\\ttext'"),
        ('"a,b"\n北京\n', "the header has no field 'text'; it has 'a,b'"),
        ("text,a,a\n", "names 'a' twice"),
        ('id,text\n1,"北\n京"\n2,上,海\n', "a.txt:4: 3 fields under a header of 2"),
        ('text\n"北"京\n', "a.txt:2: not a row"),
        ('text\n北京\n"上海\n' + "海\n" * 9, "a.txt:3: not a row"),
    ],
)
def test_invalid_tables_are_refused(data: str, message: str) -> None:
    assert message in read_error(data.encode(), kind="csv")


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_the_header_decides_which_of_three_separators_a_table_has(kind: str, mark: str) -> None:
    data = f'id{mark}text{mark}note\n1{mark}"北{mark}京"{mark}a|b\n'.encode()
    assert [(record.text, dict(record.fields)["note"]) for record in read(data, kind=kind)] == [(f"北{mark}京", "a|b")]


def test_the_usual_separator_of_a_table_comes_first() -> None:
    assert texts("text\n北;京\n".encode(), kind="csv") == ["北;京"]
    assert texts("text,a;text;b\n北,1\n".encode(), kind="csv") == ["北"]
    assert texts("text;a,b\n北,京;1\n".encode(), kind="csv") == ["北,京"]


def test_a_carriage_return_outside_quotes_is_refused_in_plain_words() -> None:
    message = read_error('text,note\n"北\r京",a\n上\r海,b\n'.encode(), kind="csv")
    assert message.startswith("a.txt:3: a carriage return (CR) inside the line") and "every line in the same" in message


def test_overlong_fields_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssmi.predict.input.reading.LONGEST_CELL", 0)
    before = csv.field_size_limit(1 << 17)  # a limit of the whole process, which other readers may have raised
    try:
        assert "field larger than field limit" in read_error(b"text\n" + b"a" * (1 << 18) + b"\n", kind="csv")
    finally:
        csv.field_size_limit(before)


def test_json_arrays_are_read() -> None:
    body = [{"id": 1, "text": "北京"}, "上海", {"text": "\ud800", "n": None}]
    records = read(json.dumps(body, indent=1).encode(), kind="json")
    assert [record.text for record in records] == ["北京", "上海", "\ud800"]
    assert [dict(record.fields) for record in records] == [body[0], {}, body[2]]
    assert texts(b'{"content": "a"}', kind="json", text_field="content") == ["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"text": "a"}\n{"text": "b"}', "a.txt:2: not JSON (Extra data"),
        ('{"data": ["a"], "n": 1}', "an object with the fields 'data', 'n'"),
        (
            '{"body": "a", "n": 1}',
            "not a JSON array → --field NAME says where the text stands ('body'), or write an array",
        ),
        ('["a", 3]', "element 2: a number"),
        ('[{"content": "北京"}]', "element 1: no field 'text' → --field NAME says where the text stands ('content')"),
        ("[" * 100_000, "not JSON (nested too deeply)"),
        ("[" + "9" * 5000 + "]", "a number of thousands of digits → write it as a text, in quotes"),
        ("3", "a number, not a JSON array"),
    ],
)
def test_invalid_arrays_are_refused(data: str, message: str) -> None:
    assert message in read_error(data.encode(), kind="json")


def test_the_text_field_can_be_named() -> None:
    data = '{"content": "北京", "id": 7}\n'.encode()
    (record,) = read(data, kind="jsonl", text_field="content")
    assert record == Record("北京", {"id": 7})
    assert "beside 'content'" in read_error(
        '{"content": "北京", "text": 7}'.encode(), kind="jsonl", text_field="content"
    )

"""Unlabelled texts from every kind of file: the same texts, in constant memory, with errors at the right place."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.readers.texts import holds_rows, holds_texts, read_texts
from ssmi.predict.input.reading import read_records

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def texts(path: Path, field: str = "text") -> list[tuple[int, str]]:
    return [(one.line, one.text) for one in read_texts(path, field=field)]


@given(lines=st.lists(TEXT, max_size=8), end=st.sampled_from(["\n", "\r\n", "\r"]), last=st.booleans())
def test_plain_text_is_read_as_predict_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, last: bool
) -> None:
    raw = (end.join(lines) + (end if last else "")).encode()
    assume(raw.count(0) <= 2)  # predict refuses a file that is full of NUL bytes
    path = tmp_path_factory.getbasetemp() / "plain.txt"
    path.write_bytes(raw)
    records = read_records(io.BytesIO(raw), name="x", kind="text")
    assert [text for _, text in texts(path)] == [record.text for record in records]


@given(rows=st.lists(TEXT, max_size=6))
def test_json_lines_and_tables_hold_the_same_texts(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "a.jsonl").write_text("".join(json.dumps({"n": 1, "body": row}) + "\n" for row in rows))
    pq.write_table(pa.table({"n": [1] * len(rows), "body": pa.array(rows, pa.string())}), folder / "a.parquet")
    assert texts(folder / "a.jsonl", "body") == texts(folder / "a.parquet", "body") == list(enumerate(rows, 1))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd, lambda data: zstd(data[:9]) + zstd(data[9:])])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.anything"])
def test_packing_is_detected_from_the_first_bytes(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    path = tmp_path / name
    path.write_bytes(pack("\ufeff北京\r\n\n上海\u2028的\r一行".encode()))
    assert texts(path) == [(1, "北京"), (2, ""), (3, "上海\u2028的\r一行")]


def test_carriage_returns_end_the_lines_of_a_file_without_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("北京\r\r上海\r".encode())
    assert texts(path) == [(1, "北京"), (2, ""), (3, "上海")]
    path.write_bytes("北京\r上海\n公司\r".encode())
    assert texts(path) == [(1, "北京\r上海"), (2, "公司")]


def test_utf_16_with_a_byte_order_mark_and_blank_json_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("北京\n上海\n".encode("utf-16"))
    assert texts(path) == [(1, "北京"), (2, "上海")]
    rows = tmp_path / "b.ndjson.zst"
    rows.write_bytes(zstd('{"text": "甲"}\n\n  \n{"text": "\\ud800", "x": [1]}\n'.encode()))
    assert texts(rows) == [(1, "甲"), (4, "\ud800")]


@pytest.mark.parametrize(
    ("name", "data", "message", "step"),
    [
        ("a.txt", "好\n".encode() + b"x\xff\n", "a.txt:2: not UTF-8 (byte 2 of the line is 0xff", "UTF-8"),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"text"}\n',
            "a.jsonl:2: not JSON (Expecting ':' delimiter, column 8)",
            '{"text": "..."}',
        ),
        ("a.jsonl", b'{"n": ' + b"9" * 5000 + b"}", "a.jsonl:1: a number of thousands of digits", "in quotes"),
        ("a.jsonl", b'\n"text"\n', "a.jsonl:2: a string, not a JSON object", '{"text": "..."}'),
        ("a.jsonl", b'{"content": "a", "n": 1}\n', "a.jsonl:1: no text in 'text' (there are 'content')", "text_field"),
        ("a.jsonl", b'{"text": 3}\n', "a.jsonl:1: 'text' is a number, not text", "leave the row out"),
        ("a.jsonl", b'{"text": null}\n', "a.jsonl:1: 'text' is null, not text", "leave the row out"),
        ("a.txt.gz", gzip.compress(b"abc\n" * 9, mtime=0)[:-9], "cannot be read or unpacked", "again"),
        ("a.txt.zst", zstd(b"abc\n" * 9)[:-3], "cannot be read or unpacked (Truncated compressed stream)", "again"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: not a Parquet file", "again"),
    ],
)
def test_errors_are_reported_with_their_place(tmp_path: Path, name: str, data: bytes, message: str, step: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputDataError) as caught:
        texts(tmp_path / name)
    assert message in caught.value.message and step in caught.value.next_step
    assert str(tmp_path / name) in caught.value.message


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_a_column_of_texts_may_have_any_of_arrows_types_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    column = pa.array(["甲", "乙", "甲"])
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    pq.write_table(pa.table({"text": column}), path)
    assert pq.read_schema(path).field("text").type == kind
    assert texts(path) == [(1, "甲"), (2, "乙"), (3, "甲")]


def test_a_table_needs_a_column_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1, 2], "body": ["甲", None]}), path)
    with pytest.raises(InputDataError, match=r"a\.parquet: no text in 'text' \(there are 'body'\)"):
        texts(path)
    with pytest.raises(InputDataError, match=r"a\.parquet:2: 'body' is null, not text"):
        texts(path, "body")
    with pytest.raises(MissingResourceError, match="no such file"):
        texts(tmp_path / "b.parquet")


def test_a_table_with_invalid_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["MARK", "甲"]}), path, compression="NONE", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"MARK", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(InputDataError, match=r"a\.parquet: not a Parquet file that can be read \(.*utf-8"):
        texts(path)


def test_files_of_a_folder_are_selected_by_name() -> None:
    names = ("a.txt", "A.TXT", "b.txt.gz", "c.jsonl.zst", "d.ndjson", "e.parquet")
    assert all(holds_texts(Path(name)) for name in names)
    assert not any(holds_texts(Path(name)) for name in ("README.md", "a.bmes", "b.json", "c.gz", "noending"))
    assert [holds_rows(Path(name)) for name in names] == [False, False, False, True, True, True]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst", "a.jsonl", "a.parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """Sixteen times as many texts need no more of Python's memory."""
    peaks = []
    for n in (2_000, 32_000):
        path = tmp_path / name
        rows = [f"第{number}行，北京大学的董事长" for number in range(n)]
        if name.endswith(".parquet"):
            pq.write_table(pa.table({"text": rows}), path, row_group_size=1000)
        elif name.endswith(".jsonl"):
            path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        else:
            data = "\n".join(rows).encode()
            path.write_bytes(gzip.compress(data) if name.endswith(".gz") else zstd(data))
        del rows
        for _ in read_texts(path, field="text"):
            pass
        tracemalloc.start()
        assert sum(1 for _ in read_texts(path, field="text")) == n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 50_000


@pytest.mark.parametrize("name", ["a.txt", "a.conll", "a.bmes.gz"])
def test_a_labelled_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes("中 B-NS\n国 E-NS\n人 O\n".encode())
    with pytest.raises(InputDataError, match="labelled file") as caught:
        texts(path)
    assert f"data convert {path} texts.jsonl" in caught.value.next_step

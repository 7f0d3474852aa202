"""CSV and TSV with a header, read with ``read_sentences``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.formats.csv_tables import LONGEST_CELL
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[..., Path]

EXPECTED = Sentence(("李", "明", "在", "京"), (Span(0, 2, "PER"), Span(3, 4, "LOC")), 2)


def read(path: Path) -> tuple[list[Sentence], ReadReport]:
    sentences, report = read_sentences(path)
    return list(sentences), report


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "sentence_id,token,tag\n0,李,B-PER\n0,明,I-PER\n0,在,O\n0,京,B-LOC\n1,好,O\n"),
        ("a.csv", "Sentence #,Word,POS,Tag\nS: 1,李,nr,B-PER\n,明,nr,I-PER\n,在,p,O\n,京,ns,B-LOC\nS: 2,好,a,O\n"),
        ("a.csv", "char;label\r\n李;B-PER\r\n明;I-PER\r\n在;O\r\n京;B-LOC\r\n\r\n好;O\r\n"),
        ("a.tsv", "字\t标签\n李\tB-PER\n明\tI-PER\n在\tO\n京\tB-LOC\n\t\n好\tO\n"),
        ("a.txt", "char\tlabel\n李\tB-PER\n明\tI-PER\n在\tO\n京\tB-LOC\n\n好\tO\n"),
    ],
)
def test_one_token_per_row_is_read(write: Write, name: str, content: str) -> None:
    sentences, report = read(write(content, name))
    assert sentences[0] == EXPECTED
    assert [one.text for one in sentences] == ["李明在京", "好"]
    assert (report.format, report.scheme) == ("csv", "BIO")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,text,entities\n7,李明在京,"[[0, 2, ""PER""], [3, 4, ""LOC""]]"\n8,好,\n'),
        ("a.csv", "text,label\n李明在京,\"[(0, 2, 'PER'), (3, 4, 'LOC')]\"\n好,[]\n"),
        ("a.csv", "tokens,ner_tags\n\"['李', '明', '在', '京']\",\"['B-PER', 'I-PER', 'O', 'B-LOC']\"\n['好'],['O']\n"),
        (
            "a.tsv",
            'text\tlabel\n李明在京\t"[{""start"": 0, ""end"": 2, ""text"": ""李明"", ""labels"": [""PER""]}, '
            '[3, 4, ""LOC""]]"\n好\t\n',
        ),
    ],
)
def test_one_text_per_row_is_read(write: Write, name: str, content: str) -> None:
    sentences, report = read(write(content, name))
    assert sentences == [EXPECTED, Sentence(("好",), (), 3)]
    assert report.format == "csv"


def test_lines_inside_cells_are_counted(write: Write) -> None:
    path = write('text,entities\n"甲\n乙",[]\n\n"丙",x\n', "a.csv")
    sentences, _ = read_sentences(path)
    assert next(sentences) == Sentence(("甲", "\n", "乙"), (), 2)
    with pytest.raises(InputDataError, match=r"a\.csv:5: \"x\" is not a list"):
        list(sentences)


@pytest.mark.parametrize("inner", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_inside_cells_stay_as_they_are_because_offsets_count_them(write: Write, inner: str, end: str) -> None:
    text = f"王明{inner}在京城"
    place = text.index("京")
    path = write(f'text,entities{end}"{text}","[[{place},{place + 1},""LOC""]]"{end}', "a.csv")
    ((sentence,), _) = read(path)
    assert sentence.text == text and sentence.entities == (Span(place, place + 1, "LOC"),)


def test_separators_and_quotes_may_be_tokens(write: Write) -> None:
    csv = 'token,tag\n",",O\n"""",O\n'
    tsv = 'token\ttag\n"\tO\n""""\tO\n""\tO\n'
    assert [one.text for one in read(write(csv, "a.csv"))[0]] == [',"']
    assert read(write(tsv.replace('\n""\tO', ""), "a.tsv"))[0][0].text == '""'
    with pytest.raises(InputDataError, match=r"a\.tsv:4: no token"):
        read(write(tsv, "a.tsv"))


def test_tags_may_be_numbers(write: Write) -> None:
    path = write("token,tag\n李,1\n明,2\n在,0\n", "a.csv")
    with pytest.raises(InputDataError, match=r"a\.csv:2: .*by name, not by number"):
        read(path)
    sentences, _ = read_sentences(path, options=ReadOptions(labels=("O", "B-PER", "I-PER")))
    assert next(sentences).entities == (Span(0, 2, "PER"),)


def test_a_tsv_without_a_header_is_read_as_columns(write: Write) -> None:
    assert read(write("京\tB-LOC\n好\tO\n\n", "a.tsv"))[1].format == "columns"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("京,B-LOC\n", ":1: '京,B-LOC' names no columns that are known"),
        ("token,tag\n京,B-LOC\n好\n", ":3: 1 cell, but the header names 2"),
        ("token,tag\n京,\n", ":2: no tag"),
        ("token,tag\n京,B-LOC\n好,X\n", ":3: 'X' is not a tag"),
        ('token,tag\n京,B-LOC\n"好,O\n', ":3: broken quoting"),
        ("token,tag\n" + "京,O\n" * 513, ":514: 513 rows, and nothing says where sentences end"),
        ('text,entities\n京,"[[0, 2, ""LOC""]]"\n', ':2: entity [0, 2, "LOC"] lies outside'),
    ],
)
def test_invalid_tables_are_refused_with_their_line(write: Write, content: str, message: str) -> None:
    path = write(content, "a.csv")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("content", "message", "next_step"),
    [
        (
            "text,label\n李明,PER\n",
            ':2: "PER" is not a list',
            'write the entities as [start, end, label]: [[0, 2, "PER"]]',
        ),
        ("tokens,tags\n李 明,B I\n", ':2: "李 明" is not a list', 'write the tokens as a list: ["李", "明"]'),
        ('tokens,tags\n"[""李""]",B\n', ':2: "B" is not a list', 'write the tags as a list: ["B-PER"'),
        (
            "text,entities\n李明,[],x\n",
            ":2: 3 cells, but",
            "give each row 2 cells; quote cells that hold the separator",
        ),
        ('text,entities\n"李明,[]\n', ":2: broken quoting", "quote cells that hold the separator"),
        ("token,tag\n李\n", ":2: 1 cell", "give each row 2 cells"),
        ("token,tag\n李,\n", ":2: no tag", "give each row a token and a tag"),
        ("token,tag\n" + "京,O\n" * 513, ":514: 513 rows", "add a column sentence"),
    ],
)
def test_the_next_step_is_about_the_cell_that_is_wrong(
    write: Write, content: str, message: str, next_step: str
) -> None:
    path = write(content, "a.csv")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}{message}")
    assert caught.value.next_step.startswith(next_step)


@pytest.mark.parametrize(("before", "after"), [(1 << 17, LONGEST_CELL), (LONGEST_CELL + 1, LONGEST_CELL + 1)])
def test_the_limit_of_a_cell_is_only_raised(write: Write, before: int, after: int) -> None:
    """Python keeps one limit for the whole process, which a caller may have raised for tables of its own."""
    limit = csv.field_size_limit(before)
    try:
        assert len(read(write("text,entities\n" + "京" * (1 << 18) + ",\n", "a.csv"))[0]) == 1
        assert csv.field_size_limit() == after
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(("header", "mark"), [("token,tag", ","), ("token\ttag", "\t"), ("entities,text", ",")])
def test_a_carriage_return_outside_quotes_is_refused_in_plain_words(write: Write, header: str, mark: str) -> None:
    path = write(f"{header}\n[]{mark}O\n[]{mark}O\r市\n", "a.csv")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}:3: a carriage return (CR) inside the line, in a file whose lines")
    assert caught.value.next_step == "end every line in the same way, with LF or CRLF"


def test_a_token_that_is_a_line_end_is_the_same_in_a_table_with_crlf(write: Write) -> None:
    table = 'token,tag\n京,B-LOC\n"\n",O\n城,O\n'
    (sentence,), _ = read(write(table, "a.csv"))
    (with_crlf,), _ = read(write(table.replace("\n", "\r\n"), "b.csv"))
    assert with_crlf.characters == sentence.characters and with_crlf.entities == sentence.entities

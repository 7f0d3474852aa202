"""Segmented and tagged text, read with ``read_sentences``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[..., Path]


def entities_of(path: Path, **options: object) -> list[list[str]]:
    sentences, _ = read_sentences(path, options=ReadOptions(**options))
    return [[f"{one.text[span.start : span.end]}/{span.label}" for span in one.entities] for one in sentences]


def test_the_format_of_the_peoples_daily_is_read(write: Write) -> None:
    path = write(
        "19980101-01-001-001/m  李/nr  建国/nr  在/p  [东海/ns  银行/n]nt  工作/v  。/w\n"
        "\n"
        "19980101-01-001-002/m  今天/t  下雨/v  。/w\n"
    )
    sentences, report = read_sentences(path)
    first, second = sentences
    assert (first.text, first.line) == ("李建国在东海银行工作。", 1)
    assert [(e.start, e.end, e.label) for e in first.entities] == [(0, 3, "nr"), (4, 8, "nt")]
    assert (second.text, second.line, second.entities) == ("今天下雨。", 3, ())
    assert report.format == "slash"
    assert report.skipped == {"overlapping-entity": 1}
    assert report.first_lines == {"overlapping-entity": [1]}
    assert "tags taken for entities: nr as nr, ns as ns, nt as nt" in report.notes


def test_the_msra_format_of_words_and_types_is_read(write: Write) -> None:
    path = write("中共中央/nt 致/o 中国致公党十一大/nt 的/o 贺词/o\n")
    assert entities_of(path) == [["中共中央/nt", "中国致公党十一大/nt"]]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("李/nr 建国/nr", ["李建国/nr"]),
        ("欧阳/nr 修/nr", ["欧阳修/nr"]),
        ("李/nr1 建国/nr2", ["李建国/nr"]),
        ("李建国/nr 王芳/nr", ["李建国/nr", "王芳/nr"]),
        ("李/nr 建国/nr 王/nr 芳/nr", ["李建国/nr", "王芳/nr"]),
        ("李/nr 、/w 王/nr", ["李/nr", "王/nr"]),
        ("李/nr 阿斯顿/nr", ["李/nr", "阿斯顿/nr"]),
        ("李/nr 北京/ns", ["李/nr", "北京/ns"]),
        ("萨马兰奇/nrf 访/v 华/nsf", ["萨马兰奇/nr", "华/ns"]),
        ("李/nr [建国/nr 路/n]ns", ["李/nr", "建国路/ns"]),
        ("[李/nr 建国/nr 路/n]ns 北/f", ["李建国路/ns"]),
        ("[东海/ns 银行/n]/nt", ["东海银行/nt"]),
        ("[[东海/ns 大学/n]nt 附中/n]nt", ["东海大学附中/nt"]),
        ("新华社/nz 今天/t", []),
    ],
)
def test_names_and_compounds(write: Write, line: str, expected: list[str]) -> None:
    assert entities_of(write(line + "\n")) == [expected]


def test_slashes_and_brackets_may_be_words(write: Write) -> None:
    sentences, _ = read_sentences(write("//w [/w ]/w 1/2/m 　/w [[/w 甲/n ]/w]nt\n"))
    sentence = next(sentences)
    assert sentence.text == "/[]1/2　[甲]"
    assert [(e.start, e.end) for e in sentence.entities] == [(7, 10)]


def test_a_tag_map_selects_the_entities(write: Write) -> None:
    path = write("李/nr 建国/nr 在/p 新华社/nz 今天/t\n")
    tag_map = {"nr": "PER", "nz": "ORG", "nx": "X"}
    assert entities_of(path, tag_map=tag_map) == [["李建国/PER", "新华社/ORG"]]
    sentences, report = read_sentences(path, options=ReadOptions(tag_map=tag_map))
    list(sentences)
    assert report.notes == ["tags taken for entities: nr as PER, nz as ORG; the tag map names nx, which no word has"]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("李/nr 建国", 2, "'建国' is not a word with a slash and a tag"),
        ("李/nr /w", 2, "'/w' is not a word"),
        ("李/nr 银行/n]nt", 2, "a closing bracket without an opening one"),
        ("[李/nr 银行/n", None, "a bracket that is never closed"),
    ],
)
def test_broken_lines_are_refused_with_their_place(write: Write, line: str, column: int | None, message: str) -> None:
    path = write("今天/t\n" + line + "\n")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path, options=ReadOptions(format="slash"))[0])
    assert caught.value.message.startswith(f"{path}:2:" + (f"{column}: " if column else " "))
    assert message in caught.value.message


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16"])
def test_other_encodings(write: Write, encoding: str) -> None:
    path = write("李/nr 明/nr\n".encode(encoding))
    assert entities_of(path, encoding=encoding) == [["李明/nr"]]


def test_joined_latin_words_are_counted(write: Write) -> None:
    path = write("李/nr  在/p  New/nx  York/nx  。/w\n李/nr  用/v  Linux/nx\n")
    sentences, report = read_sentences(path)
    assert [one.text for one in sentences] == ["李在NewYork。", "李用Linux"]
    assert report.repairs == {"words-without-blank": 1} and report.first_lines["words-without-blank"] == [1]


def test_a_line_with_a_carriage_return_inside_is_refused(write: Write) -> None:
    path = write("李明/nr 在/p\r北京/ns\n上海/ns\n")
    with pytest.raises(InputDataError, match=r":1: a carriage return \(CR\) inside the line"):
        list(read_sentences(path, options=ReadOptions(format="slash"))[0])

"""Pairs of brat files, read with ``read_sentences``."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions, options_from


def pair(folder: Path, name: str, text: str, *annotations: str) -> Path:
    path = folder / f"{name}.txt"
    path.write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes("".join(line + "\n" for line in annotations).encode())
    return path


def test_a_pair_is_read_line_by_line(tmp_path: Path) -> None:
    path = pair(tmp_path, "train", "李明在京\n\n好的。东海市\n", "T1\tPER 0 2\t李明", "T2\tLOC 9 12\t东海市")
    sentences, report = read_sentences(path)
    assert list(sentences) == [
        Sentence(tuple("李明在京"), (Span(0, 2, "PER"),), 1),
        Sentence(tuple("好的。东海市"), (Span(3, 6, "LOC"),), 3),
    ]
    assert (report.format, report.skipped) == ("brat", {"empty-text": 1})


def test_offsets_count_both_characters_of_a_line_end(tmp_path: Path) -> None:
    path = pair(tmp_path, "train", "李明\r\n东海市\r\n", "T1\tLOC 4 7\t东海市")
    assert [one.entities for one in read_sentences(path)[0]] == [(), (Span(0, 3, "LOC"),)]


def test_a_folder_is_read_in_the_order_of_file_names(tmp_path: Path) -> None:
    pair(tmp_path, "b", "东海市", "T1\tLOC 0 3\t东海市")
    pair(tmp_path, "a", "李明", "T1\tPER 0 2\t李明")
    pair(tmp_path, "c", "好")
    (tmp_path / "d.txt").write_text("甲", encoding="utf-8")
    (tmp_path / "annotation.conf").write_text("[entities]\n")
    sentences, report = read_sentences(tmp_path)
    assert [(one.text, len(one.entities)) for one in sentences] == [("李明", 1), ("东海市", 1), ("好", 0)]
    assert report.skipped == {"text-without-annotations": 1}


def test_ignored_annotations_are_counted_by_kind(tmp_path: Path) -> None:
    path = pair(
        tmp_path,
        "train",
        "胃和食管癌在东海银行",
        "T1\tDIS 0 1;4 5\t胃 癌",
        "T2\tORG 6 10\t东海银行",
        "T3\tLOC 6 8\t东海",
        "R1\tIn Arg1:T1 Arg2:T2",
        "*\tEquiv T1 T2",
        "E1\tDIS:T1",
        "A1\tNegated T1",
        "M1\tNegated T1",
        "N1\tReference T2 Wikipedia:1\t东海银行",
        "#1\tAnnotatorNotes T1\t请看",
        "",
    )
    sentences, report = read_sentences(path)
    assert next(sentences).entities == (Span(6, 10, "ORG"),)
    assert list(sentences) == []
    assert report.skipped == {
        "discontinuous-entity": 1,
        "relation": 2,
        "event": 1,
        "attribute": 2,
        "normalization": 1,
        "note": 1,
        "overlapping-entity": 1,
    }
    assert report.first_lines["relation"] == [4, 5]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("split", [False, True])
def test_an_entity_across_lines_joins_the_lines(tmp_path: Path, end: str, split: bool) -> None:
    """brat itself writes an entity across lines in several fragments."""
    text = f"在东海{end}银行工作{end}好{end}"
    second_line = 3 + len(end)
    line = f"T1\tORG 1 3;{second_line} {second_line + 2}\t东海 银行" if split else f"T1\tORG 1 {second_line + 2}"
    sentences, report = read_sentences(pair(tmp_path, "train", text, line))
    first, second = sentences
    assert (first.text, first.line) == (f"在东海{end}银行工作", 1)
    assert first.entities == (Span(1, second_line + 2, "ORG"),)
    assert (second.text, second.line) == ("好", 3)
    assert report.repairs == {"entity-across-lines": 1}


def test_offsets_may_count_utf16_units(tmp_path: Path) -> None:
    path = pair(tmp_path, "train", "😀李明\n东海", "T1\tPER 2 4\t李明", "T2\tLOC 5 7\t东海")
    assert [one.entities for one in read_sentences(path)[0]] == [(Span(1, 3, "PER"),), (Span(0, 2, "LOC"),)]


@pytest.mark.parametrize("offsets", ["auto", "utf-16"])
def test_pieces_after_an_emoji_are_joined_by_what_stands_between_them(tmp_path: Path, offsets: str) -> None:
    text = "😀😀李明\n在东海\n银行和河港"
    lines = ("T1\tPER 4 6\t李明", "T2\tORG 8 10;11 13\t东海 银行", "T3\tLOC 8 10;14 15\t东海 河")
    path = pair(tmp_path, "train", text, *lines)
    sentences, report = read_sentences(path, options=options_from({"offsets": offsets}, source="test"))
    assert [one.entities for one in sentences] == [(Span(2, 4, "PER"),), (Span(1, 6, "ORG"),)]
    assert report.skipped == {"discontinuous-entity": 1} and report.repairs == {"entity-across-lines": 1}
    assert report.first_lines["discontinuous-entity"] == [3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T2 PER 0 2 李明", "is not an entity of brat's"),
        ("T2\tPER 0\t李明", "is not an entity of brat's"),
        (f"T2\tPER 0 {'9' * 5000}\t李明", "is not an entity of brat's"),
        ("Q1\tPER 0 2", "is not a line of brat's"),
    ],
)
def test_broken_annotations_are_refused_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    path = pair(tmp_path, "train", "李明", "T1\tPER 0 2\t李明", line)
    with pytest.raises(InputDataError, match=rf"train\.ann:2: .*{message}"):
        list(read_sentences(path)[0])


@pytest.mark.parametrize(
    ("line", "message"), [("T1\tPER 1 3\t李明", "outside"), ("T1\tPER 1 2\t李", "holds '明' there")]
)
def test_an_entity_must_match_the_text_at_its_offsets(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputDataError, match=rf"train\.ann:1: .*{message}"):
        list(read_sentences(pair(tmp_path, "train", "李明", line))[0])


def test_annotations_without_their_text_are_refused(tmp_path: Path) -> None:
    pair(tmp_path, "train", "李明").unlink()
    with pytest.raises(MissingResourceError, match=r"train\.txt: no such file"):
        list(read_sentences(tmp_path / "train.ann")[0])


def test_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes("李明在京".encode("gb18030"))
    (tmp_path / "train.ann").write_bytes("T1\tPER 0 2\t李明\n".encode("gb18030"))
    sentences, _ = read_sentences(tmp_path / "train.txt", options=ReadOptions(encoding="gb18030"))
    assert next(sentences).entities == (Span(0, 2, "PER"),)


def test_a_text_declared_as_brat_needs_annotations(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("李明", encoding="utf-8")
    for path in (tmp_path, tmp_path / "train.txt"):
        with pytest.raises(MissingResourceError, match=r"no \.ann file in it or beside it"):
            list(read_sentences(path, options=ReadOptions(format="brat"))[0])

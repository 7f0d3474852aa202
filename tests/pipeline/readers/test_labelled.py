"""Labelled files are distinguished from texts by their lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.readers.labelled import bracketed, entity_key, is_labelled_row, labelled_form, suggestions


@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
@pytest.mark.parametrize("separator", [" ", "\t", "\tNN\t", " _ _ "])
def test_rows_of_every_scheme_are_columns(scheme: TagScheme, separator: str) -> None:
    tags = spans_to_tags([Span(0, 2, "PER"), Span(3, 6, "ORG")], n_characters=8, scheme=scheme)
    rows = [f"{token}{separator}{tag}" for token, tag in zip("李明在新华社工作", tags, strict=True)]
    assert labelled_form(rows) == "columns"
    assert labelled_form(["-DOCSTART- O", "# id = 1", "", *rows, "", *rows]) == "columns"
    assert labelled_form([row.replace("-", "_") for row in rows]) == "columns"


@pytest.mark.parametrize(
    ("lines", "form"),
    [
        (["中 B-NS", "国 I-NS"], "columns"),  # no row without an entity
        (["Linux B-SOFT", "用 O", "Emacs B-SOFT", "写 O", "信 O"], "columns"),
        ([f"{token} O" for token in "今天天气好" * 4], "columns"),  # no row with an entity
        (["李/nr  建国/nr  在/p  [东海/ns  银行/n]nt"], "slash"),
        (["19980101-01-001-001/m  李/nr  建国/nr  在/p"], "slash"),
    ],
)
def test_labelled_files_are_recognised(lines: list[str], form: str) -> None:
    assert labelled_form(lines) == form


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["李明 在 北京"],
        ["维生素 B-12", "奔驰 E-200"],
        ["奔驰 B-Class", "奔驰 E-Class", "奔驰 S-Class"],
        ["甲 0", "乙 1"],
        ["血型 O", "血型 O"],
        ["我 O", "中国 B-NS", "他在北京。"],
        ["TCP/IP"],
        ["and/or TCP/IP km/h I/O"],
        ["支持 TCP/IP 和 I/O"],
        ["李明在京", "中 B-NS"],
        ["血型 O", "维生素 B-12"],
        ["血型 O", "奔驰 B-Class", "奔驰 E-Class"],
        ["专辑 B-SIDE", "血型 O"],
        ["甲 0", "乙 0", "丙 0", "丁 0", "戊 0"] * 9,
        ["甲 O", "乙 O", "丙 O", "丁 O", "戊 O"],
        ["一 M-1", "二 M-1", "三 E-1"],
        ["衬衫 M/L", "裤子 S/M", "帽子 0", "鞋 L/M", "袜子 0"],
        ["百度 m.baidu.com", "无 o"],
        ["苹果/apple", "香蕉/banana", "梨/pear", "桃/peach"],
        ["数据/训练/a", "数据/训练/b", "数据/测试/c", "数据/d"],
        ["https://例子.com/news", "https://例子.com/sport", "https://例子.com/a", "https://例子.com/b"],
        ["苹果3元/kg 梨4元/kg 停车5元/h 布6元/m"],
        ["苹果/n", "跑/v", "红/a", "书/n"],
        ["男/M 女/F 已婚/Y 未婚/N"],
        ["#北京# 晴", "李明/nr 在/p 北京/ns 工作/v"],
    ],
)
def test_texts_are_not_taken_for_labelled_files(lines: list[str]) -> None:
    assert labelled_form(lines) is None


@given(st.lists(st.text("中国人在 OB-Ia0/\t", max_size=8).map(lambda line: line + "。"), max_size=6))
def test_lines_with_a_full_stop_are_texts(lines: list[str]) -> None:
    assert labelled_form(lines) is None


def test_labelled_rows_that_carriage_returns_join_are_recognised() -> None:
    assert labelled_form(["王 B-PER\r明 I-PER\r在 O", "京 B-LOC\r"]) == "columns"


def test_only_bracketed_entities_are_recognised() -> None:
    assert bracketed(["李明", "[北京|LOC]的[李明|PER]"]) == "[北京|LOC]"
    for text in ("[[北京|LOC]]", "[图1]", "[a|b]", "[北京|首都]"):
        assert bracketed([text]) is None


def test_rows_with_entities_or_tokens_are_recognised() -> None:
    assert entity_key({"id": 1, "entities": [[0, 2, "PER"]]}) == "entities"
    assert entity_key({"label": {"name": {"李明": [[0, 1]]}}}) == "label"
    assert entity_key({"labels": '[{"start": 0, "end": 2, "label": "PER"}]'}) == "labels"
    assert entity_key({"label": "sports", "labels": ["a", "b"], "entities": [], "spans": None}) is None
    assert is_labelled_row({"tokens": ["李"], "ner_tags": [0]}) and is_labelled_row({"sentence": [], "ner": []})
    for other_labels in (
        {"labels": [{"name": "bug", "id": 1}]},
        {"label": {"id": 3, "name": "体育"}},
        {"labels": [["体育", 0.9]]},
    ):
        assert entity_key(other_labels) is None
    assert entity_key({"labels": "[体育] 足球"}) is None
    for other_row in (
        {"tokens": 350, "tags": ["体育"]},
        {"sentence": "李明在京", "ner": []},
        {"data": "李", "annotations": []},
    ):
        assert not is_labelled_row(other_row)
    assert not is_labelled_row({"tokens": ["李"]}) and not is_labelled_row({"sentence": "李明在京", "id": 1})


def test_the_suggested_command_quotes_the_file_name() -> None:
    assert "--file 'my file.conll'`" in suggestions("my file.conll")

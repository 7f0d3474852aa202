"""Rows in the format of CLUENER, read with ``read_sentences``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[..., Path]

FIRST = (
    '{"text": "浙江博达银行经理叶文清到杭州开会", '
    '"label": {"name": {"叶文清": [[8, 10]]}, "company": {"浙江博达银行": [[0, 5]]}}}\n'
)


@pytest.mark.parametrize("name", ["train.json", "train.jsonl", "train.txt"])
def test_ends_include_the_last_character(write: Write, name: str) -> None:
    path = write(
        FIRST + '{"text": "京京", "label": {"address": {"京": [[0, 0], [1, 1]]}}}\n{"text": "好", "label": {}}', name
    )
    sentences, report = read_sentences(path)
    assert list(sentences) == [
        Sentence(tuple("浙江博达银行经理叶文清到杭州开会"), (Span(0, 6, "company"), Span(8, 11, "name")), 1),
        Sentence(("京", "京"), (Span(0, 1, "address"), Span(1, 2, "address")), 2),
        Sentence(("好",), (), 3),
    ]
    assert report.format == "cluener"


def test_overlapping_mentions_are_counted(write: Write) -> None:
    path = write('{"text": "东海银行", "label": {"a": {"东海": [[0, 1]]}, "b": {"东海银行": [[0, 3]]}}}\n', "a.json")
    sentences, report = read_sentences(path)
    assert next(sentences).entities == (Span(0, 4, "b"),)
    assert report.skipped == {"overlapping-entity": 1}


def test_positions_may_count_utf16_units(write: Write) -> None:
    path = write('{"text": "😀李明", "label": {"name": {"李明": [[2, 3]]}}}\n', "a.json")
    assert next(read_sentences(path)[0]).entities == (Span(1, 3, "name"),)
    with pytest.raises(InputDataError):
        list(read_sentences(path, options=ReadOptions(offsets="code-points"))[0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"id": 0, "text": "甲"}', "no object under 'label'"),
        ('{"text": "甲", "label": {"a": [[0, 0]]}}', "no object of mentions under 'a'"),
        ('{"text": "甲", "label": {"a": {"甲": [0, 0]}}}', "0 under '甲' is not [first, last]"),
        ('{"text": "甲", "label": {"a": {"甲": [[0]]}}}', "[0] under '甲' is not [first, last]"),
        ('{"text": "甲", "label": {"a": {"甲": 0}}}', "no list of positions under '甲'"),
        ('{"text": "甲", "label": {"a": {"甲": [[0, 1]]}}}', "lies outside the text of 1 code point"),
        ('{"text": "甲", "label": {"a": {"甲": [["0", "0"]]}}}', "needs two whole numbers"),
        ('{"text": "甲乙", "label": {"a": {"乙": [[0, 0]]}}}', "the text holds '甲' there"),
        ('{"text": 1, "label": {}}', "no string under 'text'"),
        ("[]", "no string under 'text'"),
    ],
)
def test_broken_rows_are_refused_with_their_line(write: Write, row: str, message: str) -> None:
    path = write(FIRST + row + "\n", "train.json")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path}:2: ")
    assert message in caught.value.message


def test_a_test_file_without_entities_is_refused_with_advice(write: Write) -> None:
    path = write('{"id": 0, "text": "四川敦煌学"}\n', "test.json")
    with pytest.raises(InputDataError, match=r"test\.json:1: no entities") as caught:
        list(read_sentences(path)[0])
    assert "remove it from the folder" in caught.value.next_step

"""Rows in the format of W2NER, read with ``read_sentences``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import Sentence, read_sentences

Write = Callable[..., Path]


def row(text: str, *entities: tuple[list[int], str]) -> dict[str, Any]:
    return {"sentence": list(text), "ner": [{"index": index, "type": kind} for index, kind in entities], "word": []}


def test_the_array_is_read(write: Write) -> None:
    rows = [row("李明在东海银行", ([0, 1], "PER"), ([3, 4, 5, 6], "ORG")), row("好")]
    sentences, report = read_sentences(write(json.dumps(rows), "train.json"))
    assert list(sentences) == [
        Sentence(tuple("李明在东海银行"), (Span(0, 2, "PER"), Span(3, 7, "ORG")), 1),
        Sentence(("好",), (), 2),
    ]
    assert report.format == "w2ner"


def test_nested_and_discontinuous_entities_are_counted_with_their_row(write: Write) -> None:
    nested = row("东海银行", ([0, 1], "LOC"), ([0, 1, 2, 3], "ORG"))
    broken = row("胃和食管癌", ([0, 4], "DIS"), ([2, 3, 4], "DIS"))
    sentences, report = read_sentences(write(json.dumps([nested, broken, row("")]), "train.json"))
    assert [one.entities for one in sentences] == [(Span(0, 4, "ORG"),), (Span(2, 5, "DIS"),)]
    assert report.skipped == {"overlapping-entity": 1, "discontinuous-entity": 1, "empty-text": 1}
    assert report.first_lines == {"overlapping-entity": [1], "discontinuous-entity": [2], "empty-text": [3]}


def test_tokens_of_several_characters_become_characters(write: Write) -> None:
    tokens_row = {"sentence": ["在", "2010", "年"], "ner": [{"index": [1, 2], "type": "TIME"}]}
    sentences, report = read_sentences(write(json.dumps([tokens_row]), "train.json"))
    assert list(sentences) == [Sentence(tuple("在2010年"), (Span(1, 6, "TIME"),), 1)]
    assert report.repairs == {"token-of-several-characters": 1}


@pytest.mark.parametrize(
    ("broken_row", "message"),
    [
        ({"sentence": "甲", "ner": []}, "no list of tokens under 'sentence'"),
        ({"sentence": ["甲"]}, "no list of entities under 'ner'"),
        ({"sentence": [""], "ner": []}, "an empty token"),
        ({"sentence": [1], "ner": []}, "no string under 'sentence'"),
        (row("甲", ([1], "A")), "lies outside the sentence of 1 token"),
        (row("甲", ([-1, 0], "A")), "lies outside the sentence of 1 token"),
        (row("甲", ([], "A")), "has no list of indices under 'index'"),
        (row("甲", (["0"], "A")), "has no list of indices"),  # type: ignore[list-item]
        (row("甲", ([0], "")), "entity type '' is empty"),
        ({"sentence": ["甲"], "ner": [{"index": [0]}]}, "needs two whole numbers and a type"),
    ],
)
def test_broken_rows_are_refused_with_their_line(write: Write, broken_row: Any, message: str) -> None:
    path = write("[" + json.dumps(row("好")) + ",\n" + json.dumps(broken_row) + "]", "train.json")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path}:2 (row 2): ")
    assert message in caught.value.message

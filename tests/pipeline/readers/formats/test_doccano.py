"""Exports of doccano, which are rows of JSON, read with ``read_sentences``."""

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

TEXT = "李明在京"
SPANS = (Span(0, 2, "PER"), Span(3, 4, "LOC"))
LISTS = [[0, 2, "PER"], [3, 4, "LOC"]]
OBJECTS = [
    {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 2},
    {"id": 2, "label": "LOC", "start_offset": 3, "end_offset": 4},
]


@pytest.mark.parametrize(
    "row",
    [
        {"id": 1, "text": TEXT, "label": LISTS, "Comments": []},
        {"id": 1, "text": TEXT, "label": LISTS},
        {"id": 1, "text": TEXT, "meta": {}, "annotation_approver": None, "labels": LISTS},
        {"id": 1, "text": TEXT, "entities": OBJECTS, "relations": [], "Comments": []},
        {"id": 1, "text": TEXT, "entities": LISTS, "cats": []},
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_every_variant_is_read(write: Write, row: dict[str, Any], array: bool) -> None:
    path = write(json.dumps([row] if array else row, ensure_ascii=False), "all.json" if array else "all.jsonl")
    sentences, report = read_sentences(path)
    assert list(sentences) == [Sentence(tuple(TEXT), SPANS, 1)]
    assert (report.format, report.skipped) == ("jsonl", {})


def test_other_annotations_are_counted_by_kind(write: Write) -> None:
    relations = [{"id": 1, "from_id": 1, "to_id": 2, "type": "in"}] * 2
    row = {"text": TEXT, "entities": OBJECTS, "relations": relations, "Comments": ["?"], "cats": ["news"]}
    path = write(json.dumps({"text": "好", "entities": []}) + "\n" + json.dumps(row), "all.jsonl")
    sentences, report = read_sentences(path)
    assert [one.entities for one in sentences] == [(), SPANS]
    assert report.skipped == {"relation": 2, "comment": 1, "category-of-a-text": 1}
    assert report.first_lines["relation"] == [2, 2]


def test_errors_in_an_array_name_the_row(write: Write) -> None:
    rows = [{"tokens": ["甲"], "tags": ["O"]}, {"tokens": ["甲"], "tags": ["?"]}]
    path = write(json.dumps(rows), "train.json")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path} row:2: '?' is not a tag")
    path = write(json.dumps([{"text": "甲", "label": []}, {"text": "甲"}], indent=1), "train.json")
    with pytest.raises(InputDataError, match=r"train\.json:6 \(row 2\): no entities"):
        list(read_sentences(path)[0])


def test_two_keys_that_name_different_entities_are_refused(write: Write) -> None:
    entities = [{"start": 0, "end": 1, "label": "X", "text": TEXT[0]}]
    rows = [{"text": "好", "label": []}, {"text": TEXT, "label": LISTS, "entities": entities}]
    path = write("\n".join(map(json.dumps, rows)), "predicted.jsonl")
    with pytest.raises(InputDataError, match=r"predicted\.jsonl:2: 'entities' and 'label' name different entities"):
        list(read_sentences(path)[0])


@pytest.mark.parametrize("others", [{"entities": OBJECTS}, {"entities": []}, {"entities": None}, {"spans": []}])
def test_two_keys_that_agree_are_read(write: Write, others: dict[str, Any]) -> None:
    path = write(json.dumps({"text": TEXT, "label": LISTS, **others}), "all.jsonl")
    assert list(read_sentences(path)[0]) == [Sentence(tuple(TEXT), SPANS, 1)]


@pytest.mark.parametrize("label", ["news", ["news"], 1])
def test_a_label_of_the_whole_text_is_not_an_entity(write: Write, label: object) -> None:
    path = write(json.dumps({"text": TEXT, "entities": LISTS, "label": label}), "all.jsonl")
    assert list(read_sentences(path)[0]) == [Sentence(tuple(TEXT), SPANS, 1)]

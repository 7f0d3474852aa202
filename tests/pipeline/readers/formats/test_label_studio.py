"""Exports of Label Studio, read with ``read_sentences``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences

Write = Callable[..., Path]

TEXT = "李建国在东海市"
PER = Span(0, 3, "PER")
LOC = Span(4, 7, "LOC")


def region(start: Any, end: Any, *labels: str, **value: Any) -> dict[str, Any]:
    body = {"start": start, "end": end, "labels": list(labels), **value}
    return {"id": "x", "from_name": "label", "to_name": "text", "type": "labels", "value": body}


def annotation(*regions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": 1, "was_cancelled": False, "ground_truth": False, "result": list(regions), **fields}


def task(*annotations: dict[str, Any], text: str = TEXT, **fields: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"text": text}, "annotations": list(annotations), **fields}


GOOD = annotation(region(0, 3, "PER", text="李建国"), region(4, 7, "LOC", text="东海市"))


def read(path: Path) -> tuple[list[Sentence], ReadReport]:
    sentences, report = read_sentences(path)
    return list(sentences), report


@pytest.mark.parametrize("indent", [None, 2])
def test_an_export_is_read(write: Write, indent: int | None) -> None:
    path = write(
        json.dumps([task(GOOD), task(annotation(), text="好")], indent=indent, ensure_ascii=False), "train.json"
    )
    sentences, report = read(path)
    assert sentences == [Sentence(tuple(TEXT), (PER, LOC), 1), Sentence(("好",), (), 2)]
    assert (report.format, report.skipped, report.notes) == ("label-studio", {}, [])


def test_one_task_per_line_is_read(write: Write) -> None:
    lines = "".join(json.dumps(task(GOOD)) + "\n" for _ in range(2))
    assert [one.line for one in read(write(lines, "train.jsonl"))[0]] == [1, 2]


def test_the_first_annotation_is_used_unless_one_is_the_ground_truth(write: Write) -> None:
    other = annotation(region(0, 3, "PER"))
    truth = annotation(region(4, 7, "LOC"), ground_truth=True)
    cancelled = annotation(region(0, 1, "X"), was_cancelled=True)
    tasks = [task(cancelled, other, GOOD), task(other, GOOD, truth), task(cancelled), task(), task(GOOD)]
    sentences, report = read(write(json.dumps(tasks), "train.json"))
    assert [(one.line, one.entities) for one in sentences] == [(1, (PER,)), (2, (LOC,)), (5, (PER, LOC))]
    assert report.skipped == {
        "cancelled-annotation": 2,
        "annotation-of-another-annotator": 3,
        "task-without-annotation": 2,
    }
    assert report.first_lines["task-without-annotation"] == [3, 4]


def test_other_annotations_are_counted_by_kind(write: Write) -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right", "labels": ["of"]}
    choice = {"type": "choices", "from_name": "c", "to_name": "text", "value": {"choices": ["news"]}}
    regions = [relation, choice, region(0, 3), region(4, 7, "LOC", "GPE"), region(4, 6, "X")]
    sentences, report = read(write(json.dumps([task(annotation(*regions), predictions=[{}])]), "train.json"))
    assert sentences[0].entities == (LOC,)
    assert report.skipped == {
        "relation": 1,
        "region-of-another-kind": 1,
        "region-without-label": 1,
        "second-label-of-a-region": 1,
        "prediction": 1,
        "overlapping-entity": 1,
    }


def test_predictions_are_used_if_there_is_no_list_of_annotations(write: Write) -> None:
    """``predict --format label-studio`` writes such tasks."""
    predicted = {"data": {"text": TEXT}, "predictions": [{"model_version": "1", "result": [region(0, 3, "PER")]}]}
    sentences, report = read(write(json.dumps([predicted, task(GOOD)]), "train.json"))
    assert [one.entities for one in sentences] == [(PER,), (PER, LOC)]
    assert report.notes == ["1 task without annotations: predictions are used instead"]


def test_a_file_without_annotated_tasks_is_refused_with_the_reason(write: Write) -> None:
    path = write(json.dumps([task(), task()]), "train.json")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message == f"{path}: holds no sentence: 2 task-without-annotation (first in line 1)"


def test_json_min_is_read(write: Write) -> None:
    def row(number: int, **fields: Any) -> dict[str, Any]:
        return {"id": number, "text": TEXT, "annotator": 1, "annotation_id": 7, "lead_time": 1.5, **fields}

    label = [{"start": 0, "end": 3, "text": "李建国", "labels": ["PER"]}]
    rows = [row(1, label=label), row(1, label=[]), row(2)]
    sentences, report = read(write(json.dumps(rows), "train.json"))
    assert [(one.line, one.entities) for one in sentences] == [(1, (PER,)), (3, ())]
    assert report.skipped == {"annotation-of-another-annotator": 1}


def test_the_text_may_have_another_name(write: Write) -> None:
    single = {"data": {"id": 3, "content": TEXT}, "annotations": [GOOD]}
    named = {
        "data": {"title": "甲", "text2": TEXT},
        "annotations": [annotation({**region(0, 3, "PER"), "to_name": "text2"})],
    }
    ambiguous = {"data": {"title": "甲", "body": TEXT}, "annotations": [GOOD]}
    assert [s.text for s in read(write(json.dumps([single, named]), "a.json"))[0]] == [TEXT, TEXT]
    with pytest.raises(InputDataError, match=r"row 1\): which of 'title', 'body' under 'data' is the text"):
        read(write(json.dumps([ambiguous]), "b.json"))


def test_offsets_of_a_browser_count_utf16_units(write: Write) -> None:
    emoji = task(annotation(region(2, 5, "PER", text="李建国")), text="😀" + TEXT)
    sentences, report = read(write(json.dumps([task(GOOD), emoji]), "train.json"))
    assert sentences[1].entities == (Span(1, 4, "PER"),)
    assert len(report.notes) == 1
    assert "UTF-16" in report.notes[0]


@pytest.mark.parametrize(
    ("broken_task", "message"),
    [
        (7, "not an object"),
        ({"id": 1}, "no string under 'text'"),
        ({"data": {"text": TEXT}, "annotations": {}}, "no string"),
        ({"data": {"text": TEXT}, "annotations": "x"}, "'annotations' is not a list"),
        ({"data": {"text": TEXT}, "annotations": [1]}, "holds something else than objects"),
        (task(annotation(region("/p[1]", "/p[1]", "PER"))), "needs two whole numbers"),
        (task(annotation(region(0, 99, "PER"))), "lies outside the text"),
        (task(annotation(region(1, 4, "PER", text="李建国"))), "the text holds '建国在' there"),
        ({"data": {}, "annotations": [annotation()]}, "which of no strings under 'data'"),
        (task(annotation(), text="a\ud800b"), "half a surrogate pair (\\ud800)"),
        ({"text": "a\ud800b", "label": [], "annotation_id": 1}, "half a surrogate pair (\\ud800)"),
        (task(annotation(region(0, 1, "P\udfff"))), "half a surrogate pair (\\udfff)"),
        (task(annotation(region(0, 1, "PER", text="\ud800"))), "quotes '\\ud800'"),
        ({"data": {"a\ud800": "x", "b": "y"}, "annotations": [annotation()]}, "which of 'a\\ud800', 'b' under"),
    ],
)
def test_broken_tasks_are_refused_with_their_place(write: Write, broken_task: Any, message: str) -> None:
    if message == "no string":
        broken_task["annotations"] = [{"result": 5}]
        message = "'result' is not a list"
    path = write("[" + json.dumps(task(GOOD)) + ",\n" + json.dumps(broken_task) + "]", "train.json")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}:2 (row 2): ")
    assert message in caught.value.message
    assert str(caught.value).encode()  # a terminal takes no half of a surrogate pair

"""Rows as objects, independent of the file format: here without a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value
from ssmi.pipeline.readers.rows.objects import (
    END_KEYS,
    LOST_KEYS,
    QUOTE_KEYS,
    SPAN_KEYS,
    START_KEYS,
    TYPE_KEYS,
    read_rows,
)
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

PATH = Path("raw.any")
TEXT = "李明在北京😀。"


class Source:
    """Rows in memory, with counts of the iterations begun and ended."""

    def __init__(self, bodies: Sequence[Any], *, in_array: bool = False) -> None:
        self.bodies = bodies
        self.in_array = in_array
        self.n_begun = self.n_ended = 0

    def __call__(self, report: ReadReport | None) -> Iterator[Value]:
        self.n_begun += 1
        try:
            for number, body in enumerate(self.bodies, start=1):
                if report is not None and body == {}:
                    report.skip("empty-row", number)
                    continue
                if body != {}:
                    yield Value(body, number, f"{PATH}:{number}", self.in_array)
        finally:
            self.n_ended += 1


def read(
    *bodies: Any, options: ReadOptions = DEFAULT, labels: tuple[str, ...] | None = None
) -> tuple[list[Sentence], ReadReport]:
    report = ReadReport(PATH, "any")
    source = Source(bodies)
    sentences = list(read_rows(source, path=PATH, options=options, report=report, labels=labels))
    assert source.n_begun == source.n_ended, "every iteration over the rows is closed"
    return sentences, report


def read_error(*bodies: Any) -> InputDataError:
    with pytest.raises(InputDataError) as caught:
        read(*bodies)
    return caught.value


def test_pairs_of_spacy_are_read_as_objects() -> None:
    pair = [TEXT, {"entities": [[3, 5, "LOC"]], "cats": {"news": 1.0}, "text": "x"}]
    assert read(pair)[0] == read({"text": TEXT, "entities": [[3, 5, "LOC"]]})[0]
    assert read(pair)[1].skipped["category-of-a-text"] == 1
    for wrong in ([TEXT], [TEXT, []], [1, {}], [TEXT, {}, 1]):
        assert read_error(pair, wrong).message == f"{PATH}:2: not a JSON object"


# --- spans ------------------------------------------------------------------------------------------------------------


@given(
    start_key=st.sampled_from(START_KEYS),
    end_key=st.sampled_from(END_KEYS),
    type_key=st.sampled_from(TYPE_KEYS),
    quote_key=st.none() | st.sampled_from(QUOTE_KEYS),
    span_key=st.sampled_from(SPAN_KEYS),
    with_other_fields=st.booleans(),
)
def test_an_entity_is_read_under_every_usual_key(
    start_key: str, end_key: str, type_key: str, quote_key: str | None, span_key: str, with_other_fields: bool
) -> None:
    entity: dict[str, Any] = {start_key: 3, end_key: 5, type_key: "LOC"}
    if quote_key is not None and quote_key != type_key:
        entity[quote_key] = "北京"
    if with_other_fields:
        entity |= {"id": 7, "score": 0.5, "confidence": None}
    sentences, _ = read({"text": TEXT, span_key: [entity]})
    assert sentences == [Sentence(tuple(TEXT), (Span(3, 5, "LOC"),), 1)]


@pytest.mark.parametrize("quote_key", QUOTE_KEYS)
def test_a_wrong_quoted_text_is_refused_under_every_key(quote_key: str) -> None:
    error = read_error({"text": TEXT, "entities": [{"start": 2, "end": 4, "label": "LOC", quote_key: "北京"}]})
    assert error.message.startswith(f"{PATH}:1: ") and "the text holds '在北' there" in error.message


def test_the_entity_field_is_the_type_or_the_quoted_text() -> None:
    (sentence,), _ = read({"text": TEXT, "entities": [{"start": 0, "end": 2, "entity": "PER"}]})
    assert sentence.entities == (Span(0, 2, "PER"),)
    (sentence,), _ = read({"text": TEXT, "entities": [{"start": 0, "end": 2, "entity": "李明", "label": "PER"}]})
    assert sentence.entities == (Span(0, 2, "PER"),)


def test_a_list_of_one_type_is_read_as_label_studio_exports_it() -> None:
    (sentence,), _ = read({"text": TEXT, "label": [{"start": 0, "end": 2, "text": "李明", "labels": ["PER"]}]})
    assert sentence.entities == (Span(0, 2, "PER"),)
    for labels in ([], ["PER", "ORG"]):
        error = read_error({"text": TEXT, "label": [{"start": 0, "end": 2, "labels": labels}]})
        assert "needs two whole numbers and a type" in error.message


def test_a_label_of_the_whole_text_beside_entities_is_not_taken_for_entities() -> None:
    for key, value in (("label", "positive"), ("labels", ["news", "city"]), ("spans", None), ("label", {})):
        (sentence,), _ = read({"text": TEXT, "entities": [[3, 5, "LOC"]], key: value})
        assert sentence.entities == (Span(3, 5, "LOC"),)


@pytest.mark.parametrize("other", SPAN_KEYS[1:])
def test_two_keys_must_name_the_same_entities(other: str) -> None:
    lists, objects = [[0, 2, "PER"], [3, 5, "LOC"]], [{"start": 3, "end": 5, "type": "LOC"}, [0, 2, "PER"]]
    (sentence,), report = read({"text": TEXT, "entities": lists, other: objects})
    assert sentence.entities == (Span(0, 2, "PER"), Span(3, 5, "LOC")) and not report.skipped
    (sentence,), _ = read({"text": TEXT, "entities": [], other: objects})
    assert len(sentence.entities) == 2, "an empty list is ignored"
    error = read_error({"text": TEXT, "entities": lists, other: objects[:1]})
    assert error.message == f"{PATH}:1: 'entities' and {other!r} name different entities"
    assert "take the other out" in error.next_step


@pytest.mark.parametrize("options", [DEFAULT, ReadOptions(offsets="code-points")])
def test_ignored_fields_are_counted_once(options: ReadOptions) -> None:
    row = {"text": TEXT, "entities": [[0, 2, "PER"]], "relations": [{}, {}], "cats": "none", "Comments": [1]}
    sentences, report = read(row, {}, {"text": "", "entities": [], "relations": [{}]}, options=options)
    assert len(sentences) == 1
    assert report.skipped == {LOST_KEYS["relations"]: 3, LOST_KEYS["Comments"]: 1, "empty-row": 1, "empty-text": 1}
    assert report.first_lines["relation"] == [1, 1, 3]


@pytest.mark.parametrize("item", [[0, 2], [0, 2, "PER", 1], "PER", 5, None, [0, 2, ""], [0, 2, None], {}])
def test_invalid_entities_are_refused_and_shown(item: Any) -> None:
    error = read_error({"text": "好", "spans": []}, {"text": TEXT, "spans": [item]})
    assert error.message.startswith(f"{PATH}:2: entity {json.dumps(item)} ")
    assert '"entities": [[0, 2, "PER"]]' in error.next_step


def test_a_row_without_entities_is_refused_with_advice() -> None:
    error = read_error({"text": TEXT})
    assert error.message == f"{PATH}:1: no entities (one of entities, labels, label, spans)"
    assert "remove it from the folder" in error.next_step


@pytest.mark.parametrize("body", [[], "text", 5, None, True])
def test_a_value_that_is_not_an_object_is_refused(body: Any) -> None:
    assert read_error({"text": "好", "spans": []}, body).message == f"{PATH}:2: not a JSON object"
    assert read_error(body).message == f"{PATH}:1: not a JSON object"


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_numeric_tags_are_named_by_the_options_before_the_file() -> None:
    row = {"tokens": list("李明好"), "ner_tags": [1, 2, 0]}
    names = ("O", "B-PER", "I-PER")
    (by_file,), _ = read(row, labels=names)
    (by_options,), _ = read(row, options=ReadOptions(labels=("O", "B-X", "I-X")), labels=names)
    assert (by_file.entities, by_options.entities) == ((Span(0, 2, "PER"),), (Span(0, 2, "X"),))
    error = read_error(row)
    assert error.message.startswith(f"{PATH}:1: ") and "labels" in error.next_step


def test_a_text_with_spans_takes_precedence_over_tokens() -> None:
    (sentence,), _ = read({"text": TEXT, "tokens": ["x"], "tags": ["O"], "entities": [[3, 5, "LOC"]]})
    assert sentence == Sentence(tuple(TEXT), (Span(3, 5, "LOC"),), 1)


def test_rows_of_another_kind_than_the_first_are_refused() -> None:
    tagged, marked = {"tokens": ["好"], "tags": ["O"]}, {"text": "好", "entities": []}
    assert read_error(tagged, marked).message == f"{PATH}:2: no list of strings under tokens"
    assert read_error(marked, tagged).message.startswith(f"{PATH}:2: no string under 'text'")


def test_rows_without_tokens_are_counted() -> None:
    sentences, report = read({"tokens": ["好"], "tags": ["O"]}, {"tokens": [], "tags": []})
    assert [one.line for one in sentences] == [1]
    assert report.skipped == {"empty-text": 1}
    assert read()[0] == []


def test_closing_the_iterator_closes_the_source() -> None:
    source = Source([{"text": "好", "spans": []}] * 9)
    sentences = read_rows(source, path=PATH, options=DEFAULT, report=ReadReport(PATH, "any"))
    assert next(sentences).text == "好"
    sentences.close()  # type: ignore[attr-defined]
    assert source.n_begun == source.n_ended


def test_answers_of_prodigy_that_were_not_accepted_are_left_out_and_counted() -> None:
    task = {"text": TEXT, "_task_hash": 1, "spans": [{"start": 0, "end": 2, "label": "PER", "token_start": 0}]}
    answers = [{**task, "answer": answer} for answer in ("accept", "reject", "ignore", "accept")]
    sentences, report = read(*answers, task)
    assert [sentence.line for sentence in sentences] == [1, 4, 5]
    assert report.skipped == {"rejected-or-ignored-answer": 2}
    tagged = {"tokens": ["京"], "tags": ["B-LOC"], "_task_hash": 1}
    sentences, report = read({**tagged, "answer": "ignore"}, tagged)
    assert [sentence.line for sentence in sentences] == [2] and len(report.skipped) == 1


def test_an_answer_in_rows_of_other_tools_is_a_field_like_any_other() -> None:
    sentences, report = read({"text": TEXT, "entities": [], "answer": "reject"})
    assert len(sentences) == 1 and report.skipped == {}

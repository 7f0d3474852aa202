"""What formats contain besides texts and entities (scores, fields, models), and texts that are hard to write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, strict_spans
from ssmi.pipeline.writers.formats import FORMATS, LabelledText, Style, conll, csv_table, jsonl, label_studio

ANY = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('",\n\r\t\ufeff'), max_size=10)
JSON_LINES = ("jsonl", "doccano", "cluener")
JSON_ARRAYS = ("label-studio", "w2ner")


@st.composite
def labelled_texts(draw: st.DrawFn) -> LabelledText:
    text = draw(ANY)
    bounds = sorted(draw(st.sets(st.integers(0, len(text)), max_size=5)))
    spans = [Span(*pair, draw(st.sampled_from(["PER", "地名"]))) for pair in pairwise(bounds) if draw(st.booleans())]
    return LabelledText(text, spans, fields=draw(st.dictionaries(st.sampled_from(["id", "url"]), st.integers() | ANY)))


def bodies(name: str, rows: Sequence[LabelledText], style: Style | None = None) -> list[dict[str, Any]]:
    written = "".join(FORMATS[name](rows, style or Style()))
    written.encode("utf-8")
    if name in JSON_ARRAYS:
        array: list[dict[str, Any]] = json.loads(written)
        return array
    assert written.count("\n") == len(rows), "one line for each row"
    return [json.loads(line) for line in written.split("\n")[:-1]]


@pytest.mark.parametrize("name", JSON_LINES + JSON_ARRAYS)
@given(rows=st.lists(labelled_texts(), max_size=4))
def test_json_formats_keep_any_text_and_its_fields(name: str, rows: list[LabelledText]) -> None:
    """Including lone surrogates, which UTF-8 cannot hold but JSON can escape."""
    written = bodies(name, rows)
    assert len(written) == len(rows)
    for body, row in zip(written, rows, strict=True):
        inner = body["data"] if name == "label-studio" else body
        text = "".join(inner["sentence"]) if name == "w2ner" else inner["text"]
        # two adjacent surrogates read back as the one character that they encode
        assert text.encode("utf-16", "surrogatepass") == row.text.encode("utf-16", "surrogatepass")
        for key, value in row.fields.items():
            if isinstance(value, str):
                assert inner[key].encode("utf-16", "surrogatepass") == value.encode("utf-16", "surrogatepass")
            else:
                assert inner[key] == value


@given(rows=st.lists(labelled_texts(), max_size=4))
def test_every_format_contains_the_same_entities(rows: list[LabelledText]) -> None:
    expected = [[(one.start, one.end, one.label) for one in row.entities] for row in rows]
    written = {
        "jsonl": [
            [(one["start"], one["end"], one["label"]) for one in body["entities"]] for body in bodies("jsonl", rows)
        ],
        "doccano": [[tuple(one) for one in body["label"]] for body in bodies("doccano", rows)],
        "label-studio": [
            [
                (one["value"]["start"], one["value"]["end"], one["value"]["labels"][0])
                for one in body["annotations"][0]["result"]
            ]
            for body in bodies("label-studio", rows)
        ],
        "w2ner": [
            [(one["index"][0], one["index"][-1] + 1, one["type"]) for one in body["ner"]]
            for body in bodies("w2ner", rows)
        ],
        "cluener": [
            sorted(
                (first, last + 1, label)
                for label, mentions in body["label"].items()
                for places in mentions.values()
                for first, last in places
            )
            for body in bodies("cluener", rows)
        ],
    }
    assert written == dict.fromkeys(written, expected)


@given(
    rows=st.lists(labelled_texts().filter(lambda row: row.text), max_size=4), scheme=st.sampled_from(["BIO", "BMES"])
)
def test_a_csv_table_is_read_by_the_csv_module(rows: list[LabelledText], scheme: TagScheme) -> None:
    text = "".join(csv_table(rows, Style(scheme)))
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    assert header == ["sentence_id", "token", "tag"]
    assert [(int(number), character) for number, character, _ in cells] == [
        (number, character) for number, row in enumerate(rows, start=1) for character in row.text
    ]
    for number, row in enumerate(rows, start=1):
        tags = [tag for sentence, _, tag in cells if int(sentence) == number]
        assert strict_spans(tags, scheme=scheme) == (list(row.entities), 0)


ROW = LabelledText(
    "李明在京",
    [Span(0, 2, "PER"), Span(3, 4, "LOC")],
    details=[{"score": 0.75}, {"score": 0.5, "words": ["北京"]}],
    score=0.625,
    fields={"id": 7},
)


def test_entities_of_a_model_are_predictions_and_others_are_annotations() -> None:
    (predicted,) = bodies("label-studio", [ROW], Style(model_version="weibo-1"))
    (prediction,) = predicted["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("weibo-1", 0.625)
    assert [region["score"] for region in prediction["result"]] == [0.75, 0.5]
    assert "annotations" not in predicted and predicted["data"] == {"text": "李明在京", "id": 7}
    assert all("words" not in region for region in prediction["result"])
    (annotated,) = bodies("label-studio", [LabelledText(ROW.text, ROW.entities, score=0.625)])
    assert "predictions" not in annotated and "score" not in json.dumps(annotated)
    (unscored,) = bodies("label-studio", [LabelledText(ROW.text, ROW.entities)], Style(model_version="weibo-1"))
    assert "score" not in unscored["predictions"][0]
    ids = [region["id"] for region in prediction["result"]]
    assert len(set(ids)) == len(ids)


def test_json_lines_contain_all_details_of_an_entity() -> None:
    (body,) = bodies("jsonl", [ROW])
    assert body["entities"] == [
        {"start": 0, "end": 2, "label": "PER", "text": "李明", "score": 0.75},
        {"start": 3, "end": 4, "label": "LOC", "text": "京", "score": 0.5, "words": ["北京"]},
    ]
    assert list(body) == ["text", "id", "entities"]
    with pytest.raises(ValueError, match="shorter"):
        list(jsonl([LabelledText(ROW.text, ROW.entities, details=[{}])], Style()))


def test_a_repeated_mention_has_all_its_positions() -> None:
    row = LabelledText("京京京", [Span(0, 1, "LOC"), Span(1, 2, "LOC"), Span(2, 3, "ORG")])
    (body,) = bodies("cluener", [row])
    assert body["label"] == {"LOC": {"京": [[0, 0], [1, 1]]}, "ORG": {"京": [[2, 2]]}}


def test_a_row_is_written_before_the_next_is_read() -> None:
    consumed = []

    def stream() -> Any:
        for text in ("甲", "乙"):
            consumed.append(text)
            yield LabelledText(text, [])

    for name, write in FORMATS.items():
        consumed.clear()
        pieces = write(stream(), Style())
        while "甲" not in next(pieces):
            pass
        assert consumed == ["甲"], name


@pytest.mark.parametrize("write", [jsonl, label_studio])
def test_no_rows_give_a_valid_file(write: Any) -> None:
    written = "".join(write([], Style()))
    assert written == "" or json.loads(written) == []


def test_a_leading_byte_order_mark_is_doubled_only_at_the_start_of_a_file() -> None:
    row = LabelledText("\ufeff中", [])
    first, second = conll([row, row], Style())
    assert first == "\ufeff\ufeff\tO\n中\tO\n\n" and second == "\ufeff\tO\n中\tO\n\n"


def test_errors_name_the_row_and_the_suitable_formats() -> None:
    with pytest.raises(InputDataError, match=r"^in\.jsonl:3: character 2 of the text is a line end") as caught:
        list(
            conll([LabelledText("好", [], where="in.jsonl:2"), LabelledText("中\r国", [], where="in.jsonl:3")], Style())
        )
    assert set(FORMATS) - {"conll"} == {name for name in FORMATS if name in caught.value.next_step}
    for write in (conll, csv_table):
        with pytest.raises(InputDataError, match=r"^'李明': entity type 'A B' cannot stand in a tag") as refused:
            list(write([LabelledText("李明", [Span(0, 2, "A B")])], Style()))
        assert set(FORMATS) - {"conll", "csv"} == {name for name in FORMATS if name in refused.value.next_step}

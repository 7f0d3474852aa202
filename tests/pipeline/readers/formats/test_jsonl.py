"""JSON lines, read with ``read_sentences``."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.readers import Sentence, read_sentences

Write = Callable[..., Path]

TEXT = "李明在北京😀。"
SPANS = (Span(0, 2, "PER"), Span(3, 5, "LOC"))


def lines_of(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("key", ["entities", "labels", "label", "spans"])
@pytest.mark.parametrize(
    "entities",
    [
        [[0, 2, "PER"], [3, 5, "LOC"]],
        [[3, 5, "LOC"], [0, 2, "PER"]],
        [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 5, "type": "LOC"}],
        [{"id": 7, "start_offset": 0, "end_offset": 2, "label": "PER"}, [3, 5, "LOC"]],
    ],
    ids=["lists", "unsorted", "objects", "doccano"],
)
def test_spans_are_read_in_every_usual_shape(write: Write, key: str, entities: list[Any]) -> None:
    sentences, report = read_sentences(write(lines_of({"id": 1, "text": TEXT, key: entities}), "raw.jsonl"))
    assert list(sentences) == [Sentence(tuple(TEXT), SPANS, 1)]
    assert report.scheme is None
    assert (report.format, report.n_sentences, report.n_entities) == ("jsonl", 1, 2)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12), st.data()),
        min_size=1,
        max_size=4,
    ),
    ascii_only=st.booleans(),
    packed=st.booleans(),
)
def test_written_rows_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, st.DataObject]], ascii_only: bool, packed: bool
) -> None:
    expected = []
    for number, (text, data) in enumerate(rows, start=1):
        bounds = sorted(data.draw(st.sets(st.integers(0, len(text)))))
        spans = tuple(Span(*pair, "X") for pair in zip(bounds[::2], bounds[1::2], strict=False))
        expected.append(Sentence(tuple(text), spans, number))
    content = "".join(
        json.dumps(
            {"text": row.text, "entities": [[span.start, span.end, span.label] for span in row.entities]},
            ensure_ascii=ascii_only,
        )
        + "\r\n"
        for row in expected
    ).encode()
    path = tmp_path_factory.mktemp("round") / ("raw.jsonl.gz" if packed else "raw.jsonl")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert list(read_sentences(path)[0]) == expected


@pytest.mark.parametrize("indent", [None, 1])
def test_training_data_of_spacy_is_read_by_lines_and_as_an_array(write: Write, indent: int | None) -> None:
    pairs = [["王红在北京", {"entities": [[0, 2, "PER"], [3, 5, "LOC"]]}], ["好", {"entities": []}]]
    expected = [(("王", "红", "在", "北", "京"), (Span(0, 2, "PER"), Span(3, 5, "LOC"))), (("好",), ())]
    files = ("".join(json.dumps(pair) + "\n" for pair in pairs), json.dumps(pairs, indent=indent))
    for name, content in zip(("a.jsonl", "a.json"), files, strict=True):
        sentences = list(read_sentences(write(content, name))[0])
        assert [(one.characters, one.entities) for one in sentences] == expected


def test_rows_that_begin_like_an_array_of_pairs_are_read_by_their_ending(write: Write) -> None:
    (sentence,) = read_sentences(write('[["\tO\n王\tB-PER\n', "a.bio"))[0]
    assert sentence.entities == (Span(3, 4, "PER"),)


def test_blank_lines_and_empty_texts_are_counted(write: Write) -> None:
    row = {"text": "甲\n乙", "entities": None}
    path = write("\n" + lines_of(row) + " \n" + lines_of({"text": "", "entities": []}), "raw.jsonl")
    sentences, report = read_sentences(path)
    assert list(sentences) == [Sentence(("甲", "\n", "乙"), (), 2)]
    assert report.skipped == {"blank-line": 2, "empty-text": 1}
    assert report.first_lines == {"blank-line": [1, 3], "empty-text": [4]}


@pytest.mark.parametrize(
    ("entities", "kept", "skipped"),
    [
        ([[0, 4, "A"], [1, 3, "B"]], [Span(0, 4, "A")], 1),
        ([[1, 3, "B"], [0, 4, "A"]], [Span(0, 4, "A")], 1),
        ([[2, 4, "B"], [1, 3, "A"]], [Span(1, 3, "A")], 1),
        ([[0, 2, "B"], [0, 2, "A"]], [Span(0, 2, "B")], 1),
        ([[0, 2, "A"], [2, 4, "B"]], [Span(0, 2, "A"), Span(2, 4, "B")], 0),
        # the longest is kept even if two shorter entities would fit
        ([[0, 2, "A"], [1, 4, "B"], [3, 5, "C"]], [Span(1, 4, "B")], 2),
    ],
)
def test_the_longer_of_overlapping_entities_is_kept(
    write: Write, entities: list[Any], kept: list[Span], skipped: int
) -> None:
    sentences, report = read_sentences(write(lines_of({"text": "甲乙丙丁戊", "spans": entities}), "raw.jsonl"))
    assert list(next(sentences).entities) == kept
    assert report.skipped.get("overlapping-entity", 0) == skipped


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{'text': 1}", "not JSON (Expecting property name enclosed in double quotes, column 2)"),
        ('{"text": "甲", "entities": []', "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"txet": "甲", "entities": []}', "no string under 'text' (there is 'txet')"),
        ('{"text": 5, "entities": []}', "no string under 'text'\n"),
        ('{"text": "甲"}', "no entities"),
        ('{"text": "甲", "label": "positive"}', "'label' is not a list"),
        ('{"text": "甲", "label": [[0, 2, "X"]]}', "outside the text of 1 code point"),
        ('{"text": "甲", "label": [[-1, 1, "X"]]}', "outside the text"),
        ('{"text": "甲", "label": [[1, 1, "X"]]}', "starts where it ends or later"),
        ('{"text": "甲乙", "label": [[1, 0, "X"]]}', "starts where it ends or later"),
        ('{"text": "甲", "label": [[0, 1]]}', "neither [start, end, type] nor an object"),
        ('{"text": "甲", "label": [[0.0, 1, "X"]]}', "needs two whole numbers and a type"),
        ('{"text": "甲", "label": [[false, true, "X"]]}', "needs two whole numbers and a type"),
        ('{"text": "甲", "label": [{"start": 0, "end": 1}]}', "needs two whole numbers and a type"),
        ('{"text": "\\ud83d", "label": []}', "half a surrogate pair"),
    ],
)
def test_broken_rows_are_refused_with_their_line(write: Write, row: str, message: str) -> None:
    path = write(lines_of({"text": "好", "label": []}) + "\n" + row + "\n", "raw.jsonl")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path}:3: ")
    assert message in caught.value.message + "\n"
    assert "entities" in caught.value.next_step


@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
@pytest.mark.parametrize("key", ["tags", "ner_tags"])
def test_tokens_with_tags(write: Write, scheme: TagScheme, key: str) -> None:
    spans = [Span(0, 3, "LOC"), Span(4, 5, "PER")]
    tokens = ["New", " ", "York", "的", "李"]
    row = {"tokens": tokens, key: spans_to_tags(spans, n_characters=5, scheme=scheme)}
    sentences, report = read_sentences(write(lines_of(row, {"tokens": [], key: []}), "raw.jsonl"))
    # the row has its blank as a token, so no blank is inserted
    assert list(sentences) == [Sentence(tuple("New York的李"), (Span(0, 8, "LOC"), Span(9, 10, "PER")), 1)]
    assert report.repairs == {"token-of-several-characters": 2}
    assert report.scheme == scheme
    assert report.skipped == {"empty-text": 1}


def test_repairs_of_tagged_rows_name_the_row(write: Write) -> None:
    good, bad = {"tokens": ["甲"], "tags": ["B-X"]}, {"tokens": ["甲", "乙"], "tags": ["O", "I-X"]}
    sentences, report = read_sentences(write(lines_of(good, bad), "raw.jsonl"))
    assert [sentence.entities for sentence in sentences] == [(Span(0, 1, "X"),), (Span(1, 2, "X"),)]
    assert report.first_lines == {"orphan-continuation": [2]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["甲"], "ner_tags": [1]}, "by name, not by number"),
        ({"tokens": ["甲"]}, "no list of tags under tags or ner_tags"),
        ({"tokens": ["甲"], "tags": [None]}, "no list of tags under tags or ner_tags"),
        ({"tokens": ["甲"], "tags": ["O", "O"]}, "1 token but 2 tags"),
        ({"tokens": [""], "tags": ["O"]}, "an empty token"),
        ({"tokens": ["甲"], "tags": ["X"]}, "'X' is not a tag"),
        ({"text": "甲", "entities": []}, "no list of strings under tokens"),
    ],
)
def test_broken_tagged_rows_are_refused_with_their_line(write: Write, row: Any, message: str) -> None:
    path = write(lines_of({"tokens": ["甲"], "tags": ["O"]}, row), "raw.jsonl")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path}:2: ")
    assert message in caught.value.message


def test_a_quoted_entity_must_match_the_text(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    row = '{"text": "李明在京", "entities": [{"start": %d, "end": %d, "label": "NAME", "text": "李明"}]}\n'
    path.write_text(row % (0, 2), encoding="utf-8")
    assert [s.entities for s in read_sentences(path)[0]] == [(Span(0, 2, "NAME"),)]
    path.write_text(row % (0, 2) + row % (1, 3), encoding="utf-8")
    with pytest.raises(InputDataError, match=r"train\.jsonl:2: .*the text holds '明在' there"):
        list(read_sentences(path)[0])

"""The output of ``predict`` can be read as data, so that it can be corrected in an annotation tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.readers import read_sentences
from ssmi.predict.entity import Entity
from ssmi.predict.formats import FORMATS, Origin
from ssmi.predict.input.reading import Record

SUFFIXES = {"conll": ".txt", "label-studio": ".json"}


@pytest.mark.parametrize("name", FORMATS)
def test_output_of_predict_can_be_read_back(tmp_path: Path, name: str) -> None:
    text = "😀李明 在[京]/n"
    entities = [Entity(1, 3, "PER", "李明", 0.9), Entity(6, 7, "LOC", "京", 0.5)]
    origin = Origin(LabelSet.of(["PER", "LOC"], scheme="BIOES"), "1.0")
    rows = [(Record(text, {"text": text, "id": 7}), entities), (Record("好"), [])]
    path = tmp_path / f"out{SUFFIXES.get(name, '.jsonl')}"
    path.write_text("".join(FORMATS[name](rows, origin)), encoding="utf-8", newline="")
    sentences, report = read_sentences(path)
    assert [(sentence.text, sentence.entities) for sentence in sentences] == [
        (text, (Span(1, 3, "PER"), Span(6, 7, "LOC"))),
        ("好", ()),
    ]
    assert report.skipped == {}


def test_a_type_that_is_not_a_valid_tag_is_refused() -> None:
    origin = Origin(LabelSet.of(["A B"], scheme="BIO"), "1.0")
    rows = [(Record("李明在京"), [Entity(0, 2, "A B", "李明", 0.9)])]
    with pytest.raises(InputDataError, match="'李明在京': entity type 'A B' cannot stand in a tag"):
        list(FORMATS["conll"](rows, origin))

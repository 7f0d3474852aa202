"""A file that is JSON, a table or markup is never tagged as plain text unless requested."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.predict.input.reading import read_records
from ssmi.predict.input.structured_files import KIND_OF_NAME, kind_of_name, refuse_structure
from ssmi.predict.input.text_decoding import Source

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.text(max_size=5), values, max_size=3)
blanks = st.sampled_from(["", " ", "\n", "\r\n\t"])


def _suggested_input(text: str) -> str:
    """Return the value of ``--input`` that the error suggests; empty if the file is read as text."""
    source = Source(io.BytesIO(text.encode("utf-8", "surrogatepass").replace(b"\0", b"")), name="a.txt")
    try:
        refuse_structure(source)
    except InputDataError as error:
        return error.next_step.split()[1]
    return ""


@given(rows=st.lists(records, min_size=1, max_size=4), before=blanks, end=st.sampled_from(["\n", "\r\n"]))
def test_json_rows_are_recognised_as_json_lines(rows: list[dict[str, object]], before: str, end: str) -> None:
    text = before + "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
    assert _suggested_input(text) == "jsonl"


@given(rows=st.lists(records | st.text(max_size=9), min_size=1, max_size=4), indent=st.sampled_from([None, 0, 2]))
def test_an_array_of_texts_or_records_is_recognised_as_json(rows: list[object], indent: int | None) -> None:
    assert _suggested_input(json.dumps(rows, indent=indent)) == "json"


@given(row=records.filter(bool), n=st.integers(1, 3))
def test_records_over_several_lines_are_recognised(row: dict[str, object], n: int) -> None:
    """One record is a JSON file; several in sequence are read as JSON lines, whose error names the line."""
    assert _suggested_input("\n".join([json.dumps(row, indent=2)] * n)) == ("json" if n == 1 else "jsonl")


@given(st.text(st.characters(codec="utf-8", exclude_characters='{}[]<"\0\ufeff'), min_size=1))
def test_plain_text_is_not_taken_for_json(text: str) -> None:
    assert _suggested_input(text) == ""
    # Lists such as [null] contain no texts, so the file is itself a text.
    assert _suggested_input(f"[{text}]") in ("", "json")
    assert _suggested_input(f"[1] {text}") == ""


@pytest.mark.parametrize(
    "text",
    ["[1, 2, 3]", "[null]", "[图1] 北京", "{注}北京", '[1] "北京"', '{"北京"}', '{"a": 1}\n北京', '{"a": 1} 北京'],
)
def test_brackets_without_texts_are_plain_text(text: str) -> None:
    assert _suggested_input(text) == ""


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ('{"text": "' + "北" * 5_000 + '"}', "json"),  # longer than the inspected beginning
        ('{"a": 1} {"a": 2}', "jsonl"),
    ],
)
def test_json_longer_than_the_inspected_part_is_recognised(text: str, option: str) -> None:
    assert _suggested_input(text) == option


def test_deep_nesting_is_not_an_error() -> None:
    """Python's parser gives up at a depth that differs between versions."""
    assert _suggested_input("[" * 30_000 + '"') in ("", "json")


@pytest.mark.parametrize("text", ["<?XML version='1.0'?>", " \n<!doctype HTML>", "<HTML lang=zh>"])
def test_markup_is_refused_with_both_remedies(text: str) -> None:
    with pytest.raises(InputDataError) as raised:
        refuse_structure(Source(io.BytesIO(text.encode()), name="page"))
    assert raised.value.message == "page: begins as markup does, not plain text"
    assert "--input text" in raised.value.next_step
    assert _suggested_input("<b>北京</b>") == "" and _suggested_input("<p") == ""


@pytest.mark.parametrize(("suffix", "kind"), KIND_OF_NAME.items())
def test_the_kind_is_known_by_the_suffix(suffix: str, kind: str) -> None:
    for name in (f"a{suffix}", f"a{suffix.upper()}", f"a.b{suffix}.gz", f"a{suffix}.GZ"):
        assert kind_of_name(Path("x.csv.d") / name) == kind
    assert kind_of_name(Path(f"a{suffix}.txt")) is None
    assert kind_of_name(Path(suffix)) is None  # a hidden file without a suffix


def test_refused_names_come_with_advice() -> None:
    for name, description, next_step in (
        ("a.PDF", "PDF", "take its text out first, for example with pdftotext"),
        ("a.docx.gz", "Office", "save its text as UTF-8, or its table as .csv"),
        ("a.htm", "markup", "take the text out of its markup first; --input text reads it as it stands, tags and all"),
    ):
        with pytest.raises(InputDataError) as raised:
            kind_of_name(Path(name))
        assert raised.value.message == f"{name}: by its name {description}, not plain text"
        assert raised.value.next_step == next_step


LABELLED = {
    "中 B-NS\n国 E-NS\n人 O\n": None,
    "\ufeff中\tB-NS\r\n国\tE-NS\r\n人\tO": None,
    "李/nr 建国/nr 在/p 北京/ns\n": None,
    "中\tB-NS\n国\tE-NS\n人\tO\n": "tsv",
    "sentence,word,tag\n1,李,B-PER\n": "csv",
    '{"tokens": ["李"], "tags": ["B-PER"]}\n': "jsonl",
    '[{"sentence": ["李"], "ner": []}]': "json",
    '[{"data": {"text": "李"}, "annotations": []}]': "json",
}


@pytest.mark.parametrize(("text", "kind"), LABELLED.items())
def test_a_labelled_file_is_refused_with_advice(text: str, kind: Any) -> None:
    with pytest.raises(InputDataError) as raised:
        list(read_records(io.BytesIO(text.encode()), name="a file", kind=kind))
    assert raised.value.message.startswith("a file:") and "labelled" in raised.value.message
    assert "evaluate --file 'a file'" in raised.value.next_step
    assert "data convert 'a file' texts.jsonl --format jsonl" in raised.value.next_step


def test_advice_for_stdin_names_a_file() -> None:
    with pytest.raises(InputDataError) as raised:
        list(read_records(io.BytesIO("中 B-NS\n人 O\n".encode()), name="stdin", kind=None))
    assert "evaluate --file FILE`" in raised.value.next_step


def test_labelled_lines_are_read_if_requested() -> None:
    (first, _) = read_records(io.BytesIO("中 B-NS\n人 O\n".encode()), name="a", kind="text")
    assert first.text == "中 B-NS"
    table = "text\ttag\n李明在京\tO\n"
    assert [record.text for record in read_records(io.BytesIO(table.encode()), name="a", kind="tsv")] == ["李明在京"]


def test_a_table_that_looks_labelled_is_refused_with_the_field_option() -> None:
    table = "title,content,words,labels\na,李明在京,4,sports\n"
    with pytest.raises(InputDataError, match="tokens and tags") as raised:
        list(read_records(io.BytesIO(table.encode()), name="a.csv", kind="csv"))
    assert "--field NAME" in raised.value.next_step
    (record,) = read_records(io.BytesIO(table.encode()), name="a.csv", kind="csv", text_field="content")
    assert record.text == "李明在京"


def test_rows_without_a_text_field_are_refused_with_the_field_option() -> None:
    for row in ({"content": "李明在京", "tokens": 4, "tags": ["news"]}, {"sentence": "李明在京", "ner": []}):
        with pytest.raises(InputDataError, match="no field 'text'") as raised:
            list(read_records(io.BytesIO(json.dumps(row).encode()), name="a.jsonl", kind="jsonl"))
        assert "--field NAME" in raised.value.next_step


def test_a_row_cut_off_by_the_inspected_part_is_ignored() -> None:
    text = "中 B-NS\n人 O\n" * 2_000
    with pytest.raises(InputDataError, match="labelled"):
        list(read_records(io.BytesIO(text.encode()), name="a", kind=None))


@pytest.mark.parametrize("suffix", [".bmes", ".BIO", ".conll", ".conll.gz", ".ann"])
def test_labelled_files_are_refused_by_their_name(suffix: str) -> None:
    with pytest.raises(InputDataError, match="by its name a labelled file") as raised:
        kind_of_name(Path(f"a{suffix}"))
    assert "--input text" in raised.value.next_step


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("北京。\n[李明|PER]在京。\n", None, "[李明|PER] looks like a labelled entity"),
        ('{"text": "a"}\n' + '{"text": "b", "label": [[0, 1, "X"]]}\n' * 3, "jsonl", "under 'label' already"),
        ('text,entities\n李明,"[[0, 2, ""PER""]]"\n', "csv", "under 'entities' already"),
        ("李明 在 北京。\n", None, ""),
        ('{"text": "a", "label": "sports"}\n', "jsonl", ""),
    ],
)
def test_entities_in_the_input_are_reported_once(text: str, kind: Any, message: str) -> None:
    notes: list[str] = []
    list(read_records(io.BytesIO(text.encode()), name="a.txt", kind=kind, note=notes.append))
    assert len(notes) == bool(message)
    assert all(note.startswith("a.txt: ") and message in note and "evaluate --file a.txt" in note for note in notes)

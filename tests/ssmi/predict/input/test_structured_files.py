"""A file that is JSON, a table or markup is never tagged as plain text without being asked to."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.predict.input.structured_files import KIND_OF_NAME, kind_of_name, refuse_structure
from ssmi.predict.input.text_decoding import Source

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.text(max_size=5), values, max_size=3)
blanks = st.sampled_from(["", " ", "\n", "\r\n\t"])


def _option(text: str) -> str:
    """What ``--input`` is said to read it; empty where it is taken for a text."""
    source = Source(io.BytesIO(text.encode("utf-8", "surrogatepass").replace(b"\0", b"")), name="a.txt")
    try:
        refuse_structure(source)
    except InputDataError as error:
        return error.next_step.split()[1]
    return ""


@given(rows=st.lists(records, min_size=1, max_size=4), before=blanks, end=st.sampled_from(["\n", "\r\n"]))
def test_rows_of_json_are_json_lines(rows: list[dict[str, object]], before: str, end: str) -> None:
    text = before + "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
    assert _option(text) == "jsonl"


@given(rows=st.lists(records | st.text(max_size=9), min_size=1, max_size=4), indent=st.sampled_from([None, 0, 2]))
def test_an_array_of_texts_or_records_is_json(rows: list[object], indent: int | None) -> None:
    assert _option(json.dumps(rows, indent=indent)) == "json"


@given(row=records.filter(bool), n=st.integers(1, 3))
def test_records_over_several_lines(row: dict[str, object], n: int) -> None:
    """One is a JSON file; several after one another are read as JSON lines, which then says where it breaks."""
    assert _option("\n".join([json.dumps(row, indent=2)] * n)) == ("json" if n == 1 else "jsonl")


@given(st.text(st.characters(codec="utf-8", exclude_characters='{}[]<"\0\ufeff'), min_size=1))
def test_a_text_is_a_text(text: str) -> None:
    assert _option(text) == ""
    assert _option(f"[{text}]") in ("", "json")  # [null] and the like hold no text, so they are one
    assert _option(f"[1] {text}") == ""


@pytest.mark.parametrize(
    "text",
    ["[1, 2, 3]", "[null]", "[图1] 北京", "{注}北京", '[1] "北京"', '{"北京"}', '{"a": 1}\n北京', '{"a": 1} 北京'],
)
def test_brackets_that_hold_no_text_to_take(text: str) -> None:
    assert _option(text) == ""


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ('{"text": "' + "北" * 5_000 + '"}', "json"),  # longer than what is looked at
        ("[" * 3_000 + '"', "json"),
        ('{"a": 1} {"a": 2}', "jsonl"),
    ],
)
def test_json_that_is_not_seen_to_its_end(text: str, option: str) -> None:
    assert _option(text) == option


@pytest.mark.parametrize("text", ["<?XML version='1.0'?>", " \n<!doctype HTML>", "<HTML lang=zh>"])
def test_markup_says_both_ways_out(text: str) -> None:
    with pytest.raises(InputDataError) as refused:
        refuse_structure(Source(io.BytesIO(text.encode()), name="page"))
    assert refused.value.message == "page: begins as markup does, not plain text"
    assert "--input text" in refused.value.next_step
    assert _option("<b>北京</b>") == "" and _option("<p") == ""


@pytest.mark.parametrize(("suffix", "kind"), KIND_OF_NAME.items())
def test_a_name_says_what_it_holds(suffix: str, kind: str) -> None:
    for name in (f"a{suffix}", f"a{suffix.upper()}", f"a.b{suffix}.gz", f"a{suffix}.GZ"):
        assert kind_of_name(Path("x.csv.d") / name) == kind
    assert kind_of_name(Path(f"a{suffix}.txt")) is None
    assert kind_of_name(Path(suffix)) is None  # a hidden file without an ending


def test_a_refused_name_says_what_to_do() -> None:
    for name, what, next_step in (
        ("a.PDF", "PDF", "take its text out first, for example with pdftotext"),
        ("a.docx.gz", "Office", "save its text as UTF-8, or its table as .csv"),
        ("a.htm", "markup", "take the text out of its markup first; --input text reads it as it stands, tags and all"),
    ):
        with pytest.raises(InputDataError) as refused:
            kind_of_name(Path(name))
        assert refused.value.message == f"{name}: by its name {what}, not plain text"
        assert refused.value.next_step == next_step

"""JSON values of a file, read one at a time."""

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
from ssmi.pipeline.readers.raw import json_values as module
from ssmi.pipeline.readers.raw.json_values import first_value, json_values
from ssmi.pipeline.readers.raw.lines import text_pieces
from ssmi.pipeline.readers.sentence import ReadReport

Write = Callable[..., Path]

WORDS = st.text(max_size=4)
ROWS = st.lists(st.dictionaries(WORDS, WORDS | st.integers() | st.lists(WORDS, max_size=3), max_size=3), max_size=5)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, indent=st.sampled_from([None, 0, 2, 30]), ascii_only=st.booleans(), at_once=st.integers(1, 40))
def test_an_array_is_read_with_any_formatting_and_piece_size(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    indent: int | None,
    ascii_only: bool,
    at_once: int,
) -> None:
    path = tmp_path_factory.mktemp("array") / "a.json"
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only) + "\n"
    path.write_bytes(text.encode())
    array = module._Array(path, (mark for mark in text), at_once=at_once)
    values = list(json_values(path))
    assert [value.body for value in values] == rows
    assert list(array.values()) == values


def test_values_have_their_line_and_row(write: Write) -> None:
    values = list(json_values(write('[\n {"a": 1},\n {"a":\n  2}, {"a": 3}\n]\n', "a.json")))
    assert [(value.body, value.number) for value in values] == [({"a": 1}, 1), ({"a": 2}, 2), ({"a": 3}, 3)]
    assert [value.where.partition("a.json")[2] for value in values] == [":2 (row 1)", ":3 (row 2)", ":4 (row 3)"]
    path = write('{"a": 1}\n\n{"a": 2}\r\n', "a.jsonl")
    report = ReadReport(path, "jsonl")
    assert [(v.body, v.number, v.where) for v in json_values(path, report=report)] == [
        ({"a": 1}, 1, f"{path}:1"),
        ({"a": 2}, 3, f"{path}:3"),
    ]
    assert report.first_lines == {"blank-line": [2]}


def test_a_large_array_on_one_line_is_read_in_pieces(write: Write) -> None:
    row = {"text": "甲" * 50_000}
    path = write(gzip.compress(json.dumps([row] * 40, ensure_ascii=False).encode()), "a.json.gz")
    values = json_values(path)
    assert next(values).body == row
    assert sum(1 for _ in values) == 39


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ('[\n{"a": 1},\n{"a": x}\n]', ":3: ", "Expecting value"),
        ('[{"a": 1}', ":1: ", "expected ',' or ']', got the end of the file"),
        ('[{"a": 1}\n{"a": 2}]', ":2: ", "expected ',' or ']', got '{'"),
        ('[{"a": 1},\n', ":2: ", "Expecting value"),
        ('[{"a": "甲', ":1: ", "Unterminated string"),
        ('[{"a": 1}]\n{}', ":2: ", "text after the end of the array"),
        ("[" + '{"a":' * 100_000, ":1: ", "not JSON"),
        ('{"a": 1}\n{"a"\n', ":2: ", "not JSON"),
    ],
)
def test_invalid_json_is_refused_with_its_line(write: Write, content: str, place: str, message: str) -> None:
    path = write(content, "a.json")
    with pytest.raises(InputDataError) as caught:
        list(json_values(path))
    assert caught.value.message.startswith(f"{path}{place}not JSON")
    assert message in caught.value.message


def test_an_early_error_is_raised_before_the_rest_is_read(write: Write) -> None:
    path = write('[{"a" 1}, ' + '{"a": 1}, ' * 200_000 + "{}]", "a.json")
    read = []

    def pieces() -> Any:
        for piece in text_pieces(path):
            read.append(len(piece))
            yield piece

    with pytest.raises(InputDataError, match="Expecting ':'"):
        list(module._Array(path, pieces()).values())
    assert sum(read) < path.stat().st_size / 2


def test_a_value_over_the_maximum_length_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_VALUE", 1000)
    path = write(json.dumps([{"a": "甲" * 1_000_000}]), "a.json")
    with pytest.raises(InputDataError, match="longer than 1000 characters"):
        list(json_values(path))


@pytest.mark.parametrize(
    ("content", "first"),
    [(" \n [ ]", None), ("", None), ("[京|LOC]好\n", None), ('[\n\n{"a": 1}]', {"a": 1}), ("[1]\n", [1])],
)
def test_the_first_value_is_returned(write: Write, content: str, first: Any) -> None:
    assert first_value(write(content, "a.json")) == first


@pytest.mark.parametrize(
    ("value", "what"),
    [("9" * 5000, "a number of thousands of digits → write it as a text"), ("[" * 100_000, r"not JSON \(nested too")],
)
def test_json_that_python_cannot_parse_is_refused_with_its_line(tmp_path: Path, value: str, what: str) -> None:
    for text in (f'[{{"text": "京"}},\n{{"n": {value}}}]', f'{{"text": "京"}}\n{{"n": {value}}}'):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputDataError, match=rf"a\.json:[12].*: {what}"):
            list(json_values(tmp_path / "a.json"))

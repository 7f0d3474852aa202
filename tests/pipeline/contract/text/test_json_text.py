"""JSON that is safe to print on a terminal: the same value, without control characters."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.text.json_text import dumps, fault_in_line, loads

BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
TEXT = st.text(st.characters(codec=None, categories=["Cc", "Cf", "Cs", "Lo", "Zl"]), max_size=8)


@given(st.dictionaries(TEXT, st.lists(TEXT, max_size=3), max_size=3))
def test_json_reads_back_and_has_no_control_characters(value: dict[str, list[str]]) -> None:
    line = dumps(value)
    assert json.loads(line) == value
    assert not {character for character in line if unicodedata.category(character) in ("Cc", "Cs")}
    assert not set(line) & BIDI_CONTROLS


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("北京", '"北京"'),
        ("\x9b2J", '"\\u009b2J"'),
        ("a\u202eb", '"a\\u202eb"'),
        ("\x1b[2J\n", '"\\u001b[2J\\n"'),
        ("京\ud800", '"\\u4eac\\ud800"'),
    ],
)
def test_control_characters_are_escaped(text: str, line: str) -> None:
    assert dumps(text) == line


@given(TEXT)
def test_dumped_text_is_loaded(text: str) -> None:
    assert loads(dumps([text])) == [text]


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, '{"a":' * 200_000, "1" * 5000])
def test_invalid_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize(
    ("line", "fault"), [('{"a" 1}', "Expecting ':' delimiter, column 6"), ("[" * 100_000, "nested too deeply")]
)
def test_the_fault_of_a_line_names_the_column_only(line: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        loads(line)
    assert fault_in_line(caught.value) == fault

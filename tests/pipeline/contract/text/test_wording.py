"""Counts, values and kinds in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ssmi.pipeline.contract.text.wording import as_yaml, counted, is_or_are, json_kind, plural


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (1, "part", "1 part"),
        (0, "part", "0 parts"),
        (2048, "sentence", "2,048 sentences"),
        (1, "entity", "1 entity"),
        (2, "entity", "2 entities"),
        (2, "day", "2 days"),
        (3, "data set", "3 data sets"),
        (2, "box", "2 boxes"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_count_agrees_with_its_noun(n: int, noun: str, text: str) -> None:
    assert counted(n, noun) == text
    assert is_or_are(n) == ("is" if text.startswith("1 ") else "are")
    assert plural(noun) == text.partition(" ")[2] or n == 1


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_reads_back_from_yaml(value: Any) -> None:
    assert YAML(typ="safe").load(as_yaml([value, "word"])) == [value, "word"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), (0.5, "0.5"), ("joint", "joint"), (["a", 1], "[a, 1]"), ((), "[]")],
)
def test_values_are_written_as_in_yaml(value: Any, text: str) -> None:
    assert as_yaml(value) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("null", "null"),
        ("true", "a boolean"),
        ("1", "a number"),
        ("1.5", "a number"),
        ('"a"', "a string"),
        ("[]", "an array"),
        ("{}", "an object"),
    ],
)
def test_kinds_have_their_json_names(text: str, kind: str) -> None:
    assert json_kind(json.loads(text)) == kind

"""What fields of rows may contain, and how messages show them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.entities.spans import RawSpan
from ssmi.pipeline.readers.rows.fields import raw_span, show, text_field

TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(VALUE)
def test_a_text_must_be_a_string_without_surrogates(value: object) -> None:
    surrogates = [c for c in value if "\ud800" <= c <= "\udfff"] if isinstance(value, str) else []
    if isinstance(value, str) and not surrogates:
        assert text_field(value, name="text", where="f:1") == value
        return
    with pytest.raises(InputDataError) as caught:
        text_field(value, name="text", where="f:1")
    problem = f"half a surrogate pair (\\u{ord(surrogates[0]):04x})" if surrogates else "no string under 'text'"
    assert caught.value.message == f"f:1: {problem}"
    caught.value.message.encode("utf-8")


@given(start=VALUE, end=VALUE, label=VALUE)
def test_an_entity_needs_two_integers_and_a_string(start: object, end: object, label: object) -> None:
    try:
        span = raw_span(start, end, label, where="f:1")
    except InputDataError as error:
        assert error.message.startswith("f:1: ")
        error.message.encode("utf-8")
    else:
        assert type(start) is type(end) is int and isinstance(label, str)
        assert (span.start, span.end, span.label) == (start, end, label)
        label.encode("utf-8")


@pytest.mark.parametrize("offset", [True, 1.0, "1", None, [1]])
def test_invalid_offsets_are_shown_as_json(offset: object) -> None:
    for start, end in ((offset, 2), (0, offset)):
        with pytest.raises(InputDataError) as caught:
            raw_span(start, end, "PER", where="f:1")
        shown = json.dumps([start, end, "PER"])
        assert caught.value.message == f"f:1: entity {shown} needs two whole numbers and a type"


def test_a_quoted_text_must_be_a_string() -> None:
    assert raw_span(0, 2, "PER", quoted="李明", where="f:1") == RawSpan(0, 2, "PER", ("李明",), '[0, 2, "PER"]')
    for quoted in (None, 5, ["李明"]):
        assert raw_span(0, 2, "PER", quoted=quoted, where="f:1").quoted == ()


@given(VALUE)
def test_shown_values_are_short_and_printable(value: object) -> None:
    shown = show(value)
    assert len(shown) <= 80
    shown.encode("utf-8")
    full = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    assert shown == full or (len(shown) == 80 and full.startswith(shown))

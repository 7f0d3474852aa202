"""What fields of rows may hold, and how messages show them."""

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
def test_a_text_is_a_string_that_utf_8_can_hold(value: object) -> None:
    surrogates = [c for c in value if "\ud800" <= c <= "\udfff"] if isinstance(value, str) else []
    if isinstance(value, str) and not surrogates:
        assert text_field(value, name="text", where="f:1") == value
        return
    with pytest.raises(InputDataError) as caught:
        text_field(value, name="text", where="f:1")
    said = f"half a surrogate pair (\\u{ord(surrogates[0]):04x})" if surrogates else "no string under 'text'"
    assert caught.value.message == f"f:1: {said}"
    caught.value.message.encode("utf-8")


@given(start=VALUE, end=VALUE, label=VALUE)
def test_an_entity_is_two_whole_numbers_and_a_string_and_a_truth_value_is_no_number(
    start: object, end: object, label: object
) -> None:
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
def test_offsets_that_only_look_like_numbers_are_shown_as_they_are_written(offset: object) -> None:
    for start, end in ((offset, 2), (0, offset)):
        with pytest.raises(InputDataError) as caught:
            raw_span(start, end, "PER", where="f:1")
        shown = json.dumps([start, end, "PER"])
        assert caught.value.message == f"f:1: entity {shown} needs two whole numbers and a type"


def test_only_a_string_is_a_quoted_text() -> None:
    assert raw_span(0, 2, "PER", quoted="李明", where="f:1") == RawSpan(0, 2, "PER", ("李明",), '[0, 2, "PER"]')
    for quoted in (None, 5, ["李明"]):
        assert raw_span(0, 2, "PER", quoted=quoted, where="f:1").quoted == ()


@given(VALUE)
def test_what_is_shown_is_short_and_can_be_printed(value: object) -> None:
    shown = show(value)
    assert len(shown) <= 80
    shown.encode("utf-8")
    whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    assert shown == whole or (len(shown) == 80 and whole.startswith(shown))

"""Every mistake that pydantic can find in what a user wrote is told without pydantic's words."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssmi.pipeline.contract.wrong_values import mistakes


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: int = 0


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    names: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    groups: dict[str, str] = {}
    kind: Literal["one", "two"] = "one"
    inner: _Inner = _Inner()
    pairs: tuple[dict[str, int], ...] = ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"size": "three"}, "size: expected a whole number, got three"),
        ({"size": ""}, "size: expected a whole number, got an empty text"),
        ({"size": "9" * 5000}, "size: expected a whole number with fewer digits, got 9999"),
        ({"size": 1 << 20_000 | 1, "share": 2}, "share: expected a number of at most 1, got 2"),
        ({"size": [1 << 20_000]}, "size: expected a whole number, got list"),
        ({"share": 0}, "share: expected a number greater than 0, got 0"),
        ({"names": []}, "names: expected at least 1 entry, got []"),
        ({"names": {"a": 1}}, 'names: expected a list [a, b], got {"a": 1}'),
        ({"groups": ["a"]}, "groups: expected keys with values {a: b}, got [a]"),
        ({"groups": {"a": 1}}, "groups.a: expected a text, got 1"),
        ({"groups": {1: "a"}}, "groups: expected a text as key, got 1 (in quotes it is a text)"),
        ({"groups": {None: "a"}}, "groups: expected a text as key, got null (in quotes it is a text)"),
        ({"inner": {True: 1}}, "inner: expected a text as key, got true (in quotes it is a text)"),
        ({date(2020, 1, 1): 1}, "the file: expected a text as key, got 2020-01-01 (in quotes it is a text)"),
        ({"pairs": [{}, {"a": "b"}]}, "pairs, entry 2.a: expected a whole number, got b"),
        ({"kind": "three"}, "kind: expected one or two, got three"),
        ({"inner": 3}, "inner: expected keys with values {a: b}, got 3"),
        ({"sise": 3}, "sise: unknown key"),
        ([], "the file: expected keys with values {a: b}, got []"),
        ({"size": "x" * 99}, f"size: expected a whole number, got {'x' * 60}..."),
        ({"size": "x", "kind": 3}, "size: expected a whole number, got x; kind: expected one or two, got 3"),
    ],
)
def test_mistakes_say_what_was_expected_and_what_was_given(body: Any, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Body.model_validate(body)
    assert expected in mistakes(caught.value)


def test_a_list_with_wrong_entries_is_not_called_too_short() -> None:
    with pytest.raises(ValidationError) as caught:
        _Body.model_validate({"names": [1, 2]})
    assert mistakes(caught.value) == "names, entry 1: expected a text, got 1; names, entry 2: expected a text, got 2"

"""Arguments of public functions: valid ones are passed unchanged, invalid ones are refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import NonNegativeInt

from ssmi.pipeline.contract.arguments import (
    check_executor_arguments,
    check_probability,
    checked,
    list_of,
    name_or_path,
    optional_path,
)
from ssmi.pipeline.contract.errors import ParameterError


@given(st.lists(st.text()))
def test_several_values_keep_their_order(values: list[str]) -> None:
    for argument in (values, tuple(values), iter(values), dict.fromkeys(values)):
        expected = tuple(dict.fromkeys(values)) if isinstance(argument, dict) else tuple(values)
        assert list_of("only", argument) == expected


@pytest.mark.parametrize(
    ("value", "kind"), [("bert-crf", "string"), ("", "string"), (b"ab", "string"), (Path("a.bmes"), "path")]
)
def test_a_single_value_is_refused(value: Iterable[str], kind: str) -> None:
    with pytest.raises(ParameterError) as caught:
        list_of("only", value)
    assert caught.value.message == f"only={value!r}: a {kind}, where a list of {kind}s is expected"
    assert caught.value.next_step == f"write only=[{value!r}]"


@pytest.mark.parametrize("value", [None, 3, True])
def test_values_other_than_lists_are_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match="is not a list"):
        list_of("only", value)


@checked
def called(
    name: str,
    n: NonNegativeInt = 0,
    *,
    share: float | None = None,
    files: Iterable[str | Path] = (),
    part: tuple[int, int] | None = None,
    hidden: int = 1,
) -> tuple[object, ...]:
    """A function."""
    return name, n, share, files, hidden


@given(st.text(), st.integers(min_value=0), st.none() | st.floats() | st.integers(), st.lists(st.text()))
def test_valid_arguments_are_passed_unchanged(name: str, n: int, share: float | None, files: list[str]) -> None:
    result = called(name, n, share=share, files=iter(files))
    assert result[:2] == (name, n) and result[2] is share
    assert result[3:] == (tuple(files), 1)


@pytest.mark.parametrize(
    ("arguments", "message", "next_step"),
    [
        ({"name": None}, "called: name=None is not a str", "give a str"),
        (
            {"n": -1},
            "called: n=-1 is not an int of at least 0",
            "give an int of at least 0, or leave n out, which is n=0",
        ),
        (
            {"n": True},
            "called: n=True is not an int of at least 0",
            "give an int of at least 0, or leave n out, which is n=0",
        ),
        ({"share": "1/2"}, "called: share='1/2' is not a number or None", "give a number, or leave share out"),
        (
            {"part": [1, 2]},
            "called: part=[1, 2] is not a tuple of 2, each an int, or None",
            "give a tuple of 2, each an int, or leave part out",
        ),
        (
            {"files": ["a", 3]},
            "called: files=('a', 3) is not a list, each a str or a Path",
            "give a list, each a str or a Path, or leave files out",
        ),
        ({"files": "a.txt"}, "files='a.txt': a string, where a list of strings is expected", "write files=['a.txt']"),
    ],
)
def test_an_invalid_argument_is_named_with_the_expected_type(
    arguments: dict[str, Any], message: str, next_step: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        called(**{"name": "x", **arguments})
    assert (caught.value.message, caught.value.next_step) == (message, next_step)


def test_a_checked_function_keeps_its_name_and_signature() -> None:
    assert (called.__name__, called.__doc__) == ("called", "A function.")
    assert list(inspect.signature(called).parameters) == ["name", "n", "share", "files", "part", "hidden"]


@pytest.mark.parametrize("value", [True, None, "0.5", -0.1, 1.1, float("nan")])
def test_invalid_probabilities_are_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"min_score=.*not a probability"):
        check_probability("min_score", value)
    check_probability("min_score", 0)
    check_probability("min_score", 1.0)


def test_a_path_may_be_left_out() -> None:
    assert optional_path(None) is None
    assert optional_path("a/b") == optional_path(Path("a/b")) == Path("a/b")


def test_a_path_is_not_taken_for_a_name() -> None:
    assert (name_or_path("own"), name_or_path(None)) == ("own", None)
    assert [name_or_path(Path(path)) for path in ("own", "a/own", "/own", "~/own")] == [
        "./own",
        "./a/own",
        "/own",
        "~/own",
    ]


def test_workers_and_scheduler_are_checked() -> None:
    check_executor_arguments(workers=2, scheduler=None)
    check_executor_arguments(workers=0, scheduler="tls://host:8786")
    for workers, scheduler in ((2, "tcp://host:8786"), (0, ""), (0, "host:8786")):
        with pytest.raises(ParameterError):
            check_executor_arguments(workers=workers, scheduler=scheduler)

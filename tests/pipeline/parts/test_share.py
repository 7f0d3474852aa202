"""Shares: which parts belong to each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.parts.share import OthersMissingError, Share


@given(n=st.integers(1, 40), n_parts=st.integers(0, 200))
def test_every_part_belongs_to_one_of_equal_shares(n: int, n_parts: int) -> None:
    shares = [[place for place in range(n_parts) if Share(index, n).takes(place)] for index in range(1, n + 1)]
    assert sorted(place for share in shares for place in share) == list(range(n_parts))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("index", "n", "message", "step"),
    [
        (0, 4, "share 0/4: out of range", "shares of 4 are 1/4 to 4/4"),
        (5, 4, "share 5/4: out of range", "shares of 4 are 1/4 to 4/4"),
        (-1, 4, "share -1/4: out of range", "shares of 4 are 1/4 to 4/4"),
        (2, 1, "share 2/1: out of range", "shares of 1 are 1/1 alone"),
        (1, 0, "share 1/0: of less than 1 share", "give I/N, as 1/2 and 2/2"),
    ],
)
def test_shares_out_of_range_are_refused(index: int, n: int, message: str, step: str) -> None:
    with pytest.raises(ParameterError) as refused:
        Share(index, n)
    assert (refused.value.message, refused.value.next_step) == (message, step)


def test_a_share_is_printed_as_on_the_command_line() -> None:
    assert str(Share(2, 4)) == "2/4"


def test_the_number_of_missing_parts_is_reported() -> None:
    missing = OthersMissingError("embed", 3)
    assert (missing.label, missing.n_parts) == ("embed", 3)


@pytest.mark.parametrize("part", [(1.5, 2), ("1", 2), (1, True)])
def test_shares_must_be_whole_numbers(part: tuple[Any, Any]) -> None:
    with pytest.raises(ParameterError, match="not two whole numbers"):
        Share(*part)

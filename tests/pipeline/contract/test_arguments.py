"""Arguments that take several values refuse one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import ParameterError


@given(st.lists(st.text()))
def test_several_values_come_back_in_their_order(values: list[str]) -> None:
    for given_as in (values, tuple(values), iter(values), dict.fromkeys(values)):
        expected = tuple(dict.fromkeys(values)) if isinstance(given_as, dict) else tuple(values)
        assert list_of("only", given_as) == expected


@pytest.mark.parametrize(
    ("value", "kind"), [("bert-crf", "string"), ("", "string"), (b"ab", "string"), (Path("a.bmes"), "path")]
)
def test_one_value_is_refused(value: Iterable[str], kind: str) -> None:
    with pytest.raises(ParameterError) as refused:
        list_of("only", value)
    assert refused.value.message == f"only={value!r}: a {kind}, where a list of {kind}s is expected"
    assert refused.value.next_step == f"write only=[{value!r}]"

"""Errors keep their type, message and next step, also when another process raised them."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import (
    InputDataError,
    MissingResourceError,
    ParameterError,
    SsmiError,
    StaleArtifactError,
    at_line,
    name_hint,
)
from ssmi.pipeline.contract.manifest import load

KINDS = [SsmiError, ParameterError, InputDataError, MissingResourceError, StaleArtifactError]


@given(st.sampled_from(KINDS), st.text(), st.text())
def test_pickling_keeps_type_message_and_next_step(kind: type[SsmiError], message: str, next_step: str) -> None:
    error = pickle.loads(pickle.dumps(kind(message, next_step=next_step)))  # noqa: S301
    assert type(error) is kind
    assert (error.message, error.next_step, error.exit_code) == (message, next_step, kind.exit_code)
    assert str(error) == str(kind(message, next_step=next_step))


def test_an_error_of_another_process_is_complete(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(load, tmp_path / "artifacts" / "pmi" / "weibo").exception()
    assert isinstance(error, MissingResourceError)
    assert "not built" in error.message and "--dataset weibo" in error.next_step


def test_every_kind_has_its_own_exit_code() -> None:
    assert [kind.exit_code for kind in KINDS] == [1, 2, 3, 4, 5]
    assert all(issubclass(kind, SsmiError) for kind in KINDS)


def test_the_text_is_the_message_followed_by_the_next_step() -> None:
    assert str(SsmiError("it broke")) == "it broke"
    assert str(SsmiError("it broke", next_step="mend it")) == "it broke → mend it"


def test_locations_and_name_hints() -> None:
    assert at_line(Path("a/b.txt"), 3) == "a/b.txt:3"
    assert name_hint("treshold", ["max_set", "threshold"]) == "did you mean 'threshold'?"
    assert name_hint("zzz", ["b", "a"]) == "known: a, b"
    assert name_hint("no-places", ["no-cosine", "no-can"]) == "known: no-can, no-cosine"
    assert name_hint("zzz", ["a.b", "a.c", "a.c"], listed=["b", "a", "a"]) == "known: a, b"
    assert name_hint("zzz", []) == "none are known"


@pytest.mark.parametrize("kind", KINDS[1:])
def test_all_kinds_can_be_caught_as_ssmi_errors(kind: type[SsmiError]) -> None:
    with pytest.raises(SsmiError, match="x"):
        raise kind("x")

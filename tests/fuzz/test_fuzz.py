"""A few broken files for every reader of untrusted files; `make fuzz` uses as many as time allows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import attempt, inputs
from tests.fuzz.guided import fuzz_in_process
from tests.fuzz.targets import TARGETS

NEED_CONTEXT = {"checkpoint", "pack"}
"""Targets whose good files need more context than a folder."""


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_good_files_are_read(name: str, tmp_path: Path) -> None:
    outcomes = {attempt(TARGETS[name], seed, tmp_path) for seed in TARGETS[name].seeds}
    assert outcomes == ({"refused"} if name in NEED_CONTEXT else {"read"})


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_broken_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    for body in inputs(target, seed=20261126, n=60):
        attempt(target, body, tmp_path)


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_read_or_refused(name: str, tmp_path: Path, body: bytes) -> None:
    attempt(TARGETS[name], body, tmp_path)


@pytest.mark.parametrize("name", sorted(TARGETS)[:5])
def test_inputs_are_reproducible_from_their_seed(name: str) -> None:
    first = inputs(TARGETS[name], seed=1, n=20)
    assert inputs(TARGETS[name], seed=1, n=20) == first
    assert inputs(TARGETS[name], seed=2, n=20) != first


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has wheels only for Linux on x86-64")
def test_a_guided_run_reaches_the_reader(tmp_path: Path) -> None:
    result = fuzz_in_process("format conll", seconds=5, seed=1, kept=tmp_path / "kept")
    assert result.is_good, result.output
    # Good files reach more code than a file that is refused at its first byte.
    assert result.n >= len(TARGETS["format conll"].seeds) and result.covered > 100, result.output

"""What makes a run: every parameter of its sections but those of the machine, its shards, its encoder, its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.shards import open_shards
from ssmi.model.runs.fingerprint import SEED, differences, fingerprint_of, settings_of, short
from ssmi.model.runs.revision import REVISION

Make = Callable[..., Any]
fingerprints = st.dictionaries(st.sampled_from(["a", "b", SEED]), st.none() | st.integers(0, 3) | st.text(max_size=2))


def test_every_parameter_of_the_run_is_in_it(shards: Path, make_params: Make) -> None:
    opened, params = open_shards(shards), make_params()
    fingerprint = fingerprint_of(params, shards=opened)
    named = {f"{name}.{key}" for name in ("encoder", "model", "train") for key in params.section(name)}
    extra = {"shards", "the shards' encoder", "the revision of the network's code"}
    assert set(fingerprint) == (named | extra) - {"train.device", "train.threads"}
    assert fingerprint["shards"] == opened.digest and fingerprint["the shards' encoder"] == "encoder-a"
    assert fingerprint["the revision of the network's code"] == REVISION
    assert json.loads(json.dumps(fingerprint)) == fingerprint  # checkpoint.json keeps it


@pytest.mark.parametrize("changes", [{"train__threads": 2}, {"pmi__estimator": "paper"}, {"selection__threshold": 0.9}])
def test_what_the_machine_or_the_shards_answer_for_is_not(shards: Path, make_params: Make, changes: Any) -> None:
    opened = open_shards(shards)
    assert fingerprint_of(make_params(**changes), shards=opened) == fingerprint_of(make_params(), shards=opened)


def test_automatic_values_are_the_numbers_they_come_to(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    automatic = fingerprint_of(make_params(train__lr_new="auto", train__precision="auto"), shards=opened)
    assert isinstance(automatic["train.lr_new"], float) and automatic["train.precision"] == "fp32"  # on a CPU
    written_out = make_params(train__lr_new=automatic["train.lr_new"], train__precision="fp32")
    assert fingerprint_of(written_out, shards=opened) == automatic


def test_other_shards_make_another_run(
    shards: Path, write_shards: Make, sentences: list[Any], tmp_path: Path, make_params: Make
) -> None:
    fewer = write_shards(tmp_path / "fewer", {"train": sentences[1:], "dev": sentences[:4]}, hidden=True)
    then, now = (fingerprint_of(make_params(), shards=open_shards(folder)) for folder in (shards, fewer))
    (line,) = differences(then, now, run="/runs/one")
    assert line == f"shards is {then['shards'][:12]} in /runs/one, {now['shards'][:12]} now"


@given(then=fingerprints, now=fingerprints)
def test_each_difference_is_told_once(then: dict[str, Any], now: dict[str, Any]) -> None:
    lines = differences(then, now, run="R")
    keys = [line.split(" is ")[0] for line in lines]
    assert keys == sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
    assert bool(differences(settings_of(then), settings_of(now), run="R")) == bool(set(keys) - {SEED})
    assert SEED not in settings_of(then) and settings_of(then).items() <= then.items()


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "null"), (False, "False"), (0.001, "0.001"), ("ab" * 32, "abababababab"), ("x" * 63, "x" * 63)],
)
def test_a_value_in_a_message(value: object, said: str) -> None:
    assert short(value) == said

"""A run's fingerprint: all parameters of its sections except the machine's, its shards, its encoder and its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.shards import open_shards
from ssmi.model.runs.fingerprint import SEED, Fingerprint, FingerprintField, fingerprint_of, short
from ssmi.model.runs.json_files import JsonBody
from ssmi.model.runs.revision import REVISION
from ssmi.pipeline.contract.parameters.params import Params

Make = Callable[..., Any]
fingerprints = st.builds(
    Fingerprint,
    st.dictionaries(st.sampled_from(["a.a", "a.b", SEED]), st.none() | st.integers(0, 3)),
    shards=st.text(max_size=1),
    encoder=st.text(max_size=1),
    revision=st.integers(0, 2),
)


class _File(JsonBody):
    fingerprint: FingerprintField


def test_every_parameter_of_the_run_is_in_it(shards: Path, make_params: Make) -> None:
    opened, params = open_shards(shards), make_params()
    made = fingerprint_of(params, shards=opened)
    written = made.to_json()
    named = {f"{name}.{key}" for name in ("encoder", "model", "train") for key in params.section(name)}
    extra = {"shards", "the shards' encoder", "the revision of the network's code"}
    left_out = (named | extra) - set(written)
    assert set(written) < named | extra and {"train.device", "train.threads", "train.fold"} < left_out
    for section, _, key in (name.partition(".") for name in left_out - {"train.device", "train.threads"}):
        assert params.section(section)[key] == Params().section(section)[key]  # the value before the parameter existed
    # parameters of version 0.2 are always included
    assert {"encoder.name", "model.can", "train.epochs", "train.patience"} < set(written)
    assert written["shards"] == opened.digest and written["the shards' encoder"] == "encoder-a"
    assert written["the revision of the network's code"] == REVISION
    assert Fingerprint.from_json(json.loads(json.dumps(written))) == made and made.seed == params.train.seed


def test_a_later_parameter_counts_once_it_is_not_what_it_was_before(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    plain = fingerprint_of(make_params(), shards=opened)
    last = fingerprint_of(make_params(train__select="last"), shards=opened)
    assert plain.differences(last, run="then") == ["train.select is null in then, last now"]
    folds = {"train__folds": 3, "train__fold": 2, "train__test": False}
    assert plain.differing(fingerprint_of(make_params(**folds), shards=opened)) == [
        "train.fold",
        "train.folds",
        "train.test",
    ]


def test_folds_and_seeds_are_runs_of_one_setting(shards: Path, make_params: Make) -> None:
    def made(*, seed: int, fold: int, folds: int = 3) -> Fingerprint:
        changes = {"train__folds": folds, "train__fold": fold, "train__test": False, "train__seed": seed}
        return fingerprint_of(make_params(**changes), shards=open_shards(shards))

    assert made(seed=1, fold=1) != made(seed=1, fold=2)
    assert made(seed=1, fold=1).setting == made(seed=2, fold=3).setting
    assert made(seed=1, fold=1).setting != made(seed=1, fold=1, folds=4).setting


@pytest.mark.parametrize("changes", [{"train__threads": 2}, {"pmi__estimator": "paper"}, {"selection__threshold": 0.9}])
def test_what_the_machine_or_the_shards_answer_for_is_not(shards: Path, make_params: Make, changes: Any) -> None:
    opened = open_shards(shards)
    assert fingerprint_of(make_params(**changes), shards=opened) == fingerprint_of(make_params(), shards=opened)


def test_automatic_values_are_the_numbers_they_come_to(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    automatic = fingerprint_of(make_params(train__lr_new="auto", train__precision="auto"), shards=opened)
    values = automatic.parameters
    assert isinstance(values["train.lr_new"], float) and values["train.precision"] == "fp32"  # on a CPU
    written_out = make_params(train__lr_new=values["train.lr_new"], train__precision="fp32")
    assert fingerprint_of(written_out, shards=opened) == automatic


def test_an_automatic_depth_is_the_number_it_comes_to(
    write_shards: Make, sentences: list[Any], tmp_path: Path, make_params: Make
) -> None:
    deep = write_shards(tmp_path / "deep", {"train": sentences, "dev": sentences}, statistics={"encoder_layers": 12})
    automatic, four, whole = (
        fingerprint_of(make_params(model__encoder_layers=layers), shards=open_shards(deep))
        for layers in ("auto", 4, None)
    )
    assert automatic == four != whole
    assert automatic.parameters["model.encoder_layers"] == 4


def test_other_shards_make_another_run(
    shards: Path, write_shards: Make, sentences: list[Any], tmp_path: Path, make_params: Make
) -> None:
    fewer = write_shards(tmp_path / "fewer", {"train": sentences[1:], "dev": sentences[:4]}, hidden=True)
    then, now = (fingerprint_of(make_params(), shards=open_shards(folder)) for folder in (shards, fewer))
    (line,) = then.differences(now, run="/runs/one")
    assert line == f"shards is {then.shards[:12]} in /runs/one, {now.shards[:12]} now"


@given(then=fingerprints, now=fingerprints)
def test_each_difference_is_told_once(then: Fingerprint, now: Fingerprint) -> None:
    lines = then.differences(now, run="R")
    keys = [line.split(" is ")[0] for line in lines]
    before, after = then.to_json(), now.to_json()
    assert keys == sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    assert keys == then.differing(now) == now.differing(then)
    assert bool(then.setting.differences(now.setting, run="R")) == bool(set(keys) - {SEED})
    assert SEED not in then.setting.parameters and then.setting.to_json().items() <= before.items()
    assert then.setting.seed == 0 and then.seed == (then.parameters.get(SEED) or 0)
    assert before.items() - then.without_shards().items() <= {
        ("shards", then.shards),
        ("the shards' encoder", then.encoder),
    }


@given(fingerprints)
def test_a_fingerprint_in_a_file(made: Fingerprint) -> None:
    body = _File(fingerprint=made).model_dump(mode="json")
    assert body == {"fingerprint": made.to_json()}
    assert _File.model_validate(body).fingerprint == made


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"shards": "a", "the shards' encoder": "b"},
        {"shards": 1, "the shards' encoder": "b", "the revision of the network's code": 1},
        {"shards": "a", "the shards' encoder": None, "the revision of the network's code": 1},
        {"shards": "a", "the shards' encoder": "b", "the revision of the network's code": "1"},
    ],
)
def test_what_is_not_a_fingerprint(body: object) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.from_json(body)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "null"), (False, "false"), (0.001, "0.001"), ("ab" * 32, "abababababab"), ("x" * 63, "x" * 63)],
)
def test_a_value_in_a_message(value: object, said: str) -> None:
    assert short(value) == said

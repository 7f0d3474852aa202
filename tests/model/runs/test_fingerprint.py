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


def test_fingerprint_holds_every_run_parameter(shards: Path, make_params: Make) -> None:
    opened, params = open_shards(shards), make_params()
    fingerprint = fingerprint_of(params, shards=opened)
    written = fingerprint.to_json()
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
    assert (
        Fingerprint.from_json(json.loads(json.dumps(written))) == fingerprint and fingerprint.seed == params.train.seed
    )


def test_new_parameters_count_only_if_changed_from_their_old_value(shards: Path, make_params: Make) -> None:
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


def test_folds_and_seeds_share_one_setting(shards: Path, make_params: Make) -> None:
    def make_fingerprint(*, seed: int, fold: int, folds: int = 3) -> Fingerprint:
        changes = {"train__folds": folds, "train__fold": fold, "train__test": False, "train__seed": seed}
        return fingerprint_of(make_params(**changes), shards=open_shards(shards))

    assert make_fingerprint(seed=1, fold=1) != make_fingerprint(seed=1, fold=2)
    assert make_fingerprint(seed=1, fold=1).setting == make_fingerprint(seed=2, fold=3).setting
    assert make_fingerprint(seed=1, fold=1).setting != make_fingerprint(seed=1, fold=1, folds=4).setting


@pytest.mark.parametrize("changes", [{"train__threads": 2}, {"pmi__estimator": "paper"}, {"selection__threshold": 0.9}])
def test_machine_and_feature_parameters_are_excluded(shards: Path, make_params: Make, changes: Any) -> None:
    opened = open_shards(shards)
    assert fingerprint_of(make_params(**changes), shards=opened) == fingerprint_of(make_params(), shards=opened)


def test_automatic_values_are_stored_resolved(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    automatic = fingerprint_of(make_params(train__lr_new="auto", train__precision="auto"), shards=opened)
    values = automatic.parameters
    assert isinstance(values["train.lr_new"], float) and values["train.precision"] == "fp32"  # on a CPU
    written_out = make_params(train__lr_new=values["train.lr_new"], train__precision="fp32")
    assert fingerprint_of(written_out, shards=opened) == automatic


def test_automatic_depth_is_stored_resolved(
    write_shards: Make, sentences: list[Any], tmp_path: Path, make_params: Make
) -> None:
    deep = write_shards(tmp_path / "deep", {"train": sentences, "dev": sentences}, statistics={"encoder_layers": 12})
    automatic, four, all_layers = (
        fingerprint_of(make_params(model__encoder_layers=layers), shards=open_shards(deep))
        for layers in ("auto", 4, None)
    )
    assert automatic == four != all_layers
    assert automatic.parameters["model.encoder_layers"] == 4


def test_other_shards_change_the_fingerprint(
    shards: Path, write_shards: Make, sentences: list[Any], tmp_path: Path, make_params: Make
) -> None:
    fewer = write_shards(tmp_path / "fewer", {"train": sentences[1:], "dev": sentences[:4]}, hidden=True)
    then, now = (fingerprint_of(make_params(), shards=open_shards(folder)) for folder in (shards, fewer))
    (line,) = then.differences(now, run="/runs/one")
    assert line == f"shards is {then.shards[:12]} in /runs/one, {now.shards[:12]} now"


@given(then=fingerprints, now=fingerprints)
def test_each_difference_is_reported_once(then: Fingerprint, now: Fingerprint) -> None:
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
def test_fingerprint_is_read_back_unchanged(fingerprint: Fingerprint) -> None:
    body = _File(fingerprint=fingerprint).model_dump(mode="json")
    assert body == {"fingerprint": fingerprint.to_json()}
    assert _File.model_validate(body).fingerprint == fingerprint


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
def test_invalid_fingerprints_are_refused(body: object) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.from_json(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (False, "false"), (0.001, "0.001"), ("ab" * 32, "abababababab"), ("x" * 63, "x" * 63)],
)
def test_values_are_shortened_in_messages(value: object, expected: str) -> None:
    assert short(value) == expected

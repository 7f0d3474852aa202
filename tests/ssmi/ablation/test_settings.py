"""The settings of an ablation's runs: their names and contents, and finished runs with other settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.settings import Description, describe, name_of, others, write
from ssmi.ablation.table import OtherSettings
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.runs.fingerprint import Fingerprint
from ssmi.model.runs.results import metrics_file
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params

FINGERPRINT = Fingerprint({"train.epochs": 2, "train.seed": 13}, shards="a" * 64, encoder="b" * 64, revision=1)


def _finish(settings: Path, seed: int, **f1: float) -> None:
    folder = settings / str(seed)
    folder.mkdir(parents=True)
    counts = {split: EntityCounts(100, 100, round(100 * value)) for split, value in f1.items()}
    metrics_file.write(
        folder, RunMetrics({split: Scores(count, {}, {}, count, 0, 1) for split, count in counts.items()})
    )


def _fingerprint(**parameters: Any) -> Fingerprint:
    """Return FINGERPRINT with other parameters, given as ``section__key``; None removes a parameter."""
    changed = {**FINGERPRINT.parameters, **{name.replace("__", "."): value for name, value in parameters.items()}}
    return replace(FINGERPRINT, parameters={name: value for name, value in changed.items() if value is not None})


def _others(runs: Path, now: Description, *, present: str = "now") -> list[OtherSettings]:
    return list(others(runs, configuration="ssmi", present=present, now=now))


# --- names ------------------------------------------------------------------------------------------------------------


@given(
    parameters=st.dictionaries(st.sampled_from(["model.can", "train.epochs", "x.y"]), st.integers(0, 3) | st.text()),
    digests=st.tuples(st.text(), st.text()),
    seeds=st.tuples(st.integers(), st.integers()),
)
def test_runs_that_differ_only_in_the_seed_share_a_folder(
    parameters: dict[str, Any], digests: tuple[str, str], seeds: tuple[int, int]
) -> None:
    setting = Fingerprint(parameters, *digests, revision=1)
    first, second = (replace(setting, parameters={**parameters, "train.seed": seed}) for seed in seeds)
    reordered = replace(first, parameters=dict(reversed(list(first.parameters.items()))))
    assert name_of(first) == name_of(second) == name_of(reordered) == name_of(setting)
    assert len(name_of(first)) == 8 and int(name_of(first), 16) >= 0
    others = (
        replace(setting, parameters={**parameters, "model.gru": True}),
        replace(setting, shards=f"{setting.shards}x"),
        replace(setting, revision=2),
    )
    assert all(name_of(other) != name_of(setting) for other in others)


def test_a_folder_describes_its_settings(tmp_path: Path) -> None:
    params = Params.model_validate({"train": {"epochs": 9}, "selection": {"threshold": 0.7}})
    write(tmp_path / "a" / "b", describe(params, FINGERPRINT))
    body = json.loads((tmp_path / "a" / "b" / "params.json").read_text(encoding="utf-8"))
    assert body["fingerprint"] == {
        "train.epochs": 2,
        "shards": "a" * 64,
        "the shards' encoder": "b" * 64,
        "the revision of the network's code": 1,
    }
    assert body["features"]["selection"]["threshold"] == 0.7
    assert not {"train", "model", "datasets", "corpora"} & set(body["features"])
    assert body["features"].keys() | {"train", "model", "datasets", "corpora"} == params.model_dump().keys()


# --- others -----------------------------------------------------------------------------------------------------------


def test_finished_runs_with_other_parameters_are_listed_with_their_means(tmp_path: Path) -> None:
    now = describe(Params(), FINGERPRINT)
    folder = tmp_path / "ssmi" / "other"
    write(folder, describe(Params(), _fingerprint(train__epochs=5)))
    _finish(folder, 10, dev=0.5, test=0.25)
    _finish(folder, 9, dev=0.75)  # without test scores, so test has no mean
    (folder / "11").mkdir()  # not finished
    (folder / "notes").mkdir()
    write(tmp_path / "ssmi" / "empty", describe(Params(), None))
    write(tmp_path / "ssmi" / "now", now)
    _finish(tmp_path / "ssmi" / "now", 9, dev=1.0)
    write(tmp_path / "no-can" / "other", now)
    _finish(tmp_path / "no-can" / "other", 9, dev=1.0)
    expected = OtherSettings("ssmi", "other", ["train.epochs 5 (now 2)"], [9, 10], {"dev": 0.625})
    assert _others(tmp_path, now) == [expected]
    assert _others(tmp_path / "nowhere", now) == []


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (_fingerprint(train__epochs=None), ["train.epochs null (now 2)"]),
        (_fingerprint(model__can=False, train__epochs=3), ["model.can false (now null)", "train.epochs 3 (now 2)"]),
        (replace(FINGERPRINT, shards="c" * 64), ["shards cccccccccccc (now aaaaaaaaaaaa)"]),
        (replace(FINGERPRINT, revision=2), ["the revision of the network's code 2 (now 1)"]),
        (FINGERPRINT, ["its features are not built"]),
    ],
)
def test_differences_are_listed(tmp_path: Path, other: Fingerprint, differs: list[str]) -> None:
    folder = tmp_path / "ssmi" / "other"
    write(folder, describe(Params(), other))
    _finish(folder, 1, dev=0.5)
    assert [settings.differs for settings in _others(tmp_path, describe(Params(), FINGERPRINT))] == [differs]


def test_feature_parameters_are_listed_instead_of_digests(tmp_path: Path) -> None:
    """Differences are reported as parameters such as ``selection.threshold``, which users know, not as digests."""
    folder = tmp_path / "ssmi" / "other"
    features = Params.model_validate({"selection": {"threshold": 0.7}})
    write(folder, describe(features, replace(_fingerprint(train__epochs=3), shards="c" * 64)))
    _finish(folder, 1, dev=0.5)
    default = Params().selection.threshold
    selection = f"selection.threshold 0.7 (now {default})"
    (other_run,) = _others(tmp_path, describe(Params(), FINGERPRINT))
    assert other_run.differs == [selection, "train.epochs 3 (now 2)"]
    (unbuilt,) = _others(tmp_path, describe(Params(), None))  # no shards yet: only features can be compared
    assert unbuilt.differs == [selection]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"features": {}}', '{"features": [], "fingerprint": {}}'])
def test_a_folder_without_a_valid_description_is_listed(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "ssmi" / "other"
    _finish(folder, 1, dev=0.5)
    (folder / "params.json").write_text(text, encoding="utf-8")
    (other_run,) = _others(tmp_path, describe(Params(), FINGERPRINT))
    assert other_run.differs == ["params.json cannot be read"] and other_run.f1 == {"dev": 0.5}


def test_broken_scores_are_refused_with_their_path(tmp_path: Path) -> None:
    folder = tmp_path / "ssmi" / "12345678"
    write(folder, describe(Params(), FINGERPRINT))
    _finish(folder, 13, dev=0.5)
    (folder / "13" / "metrics.json").write_text('{"dev"', encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"13/metrics\.json"):
        _others(tmp_path, describe(Params(), FINGERPRINT))

"""The settings that an ablation's runs stand under: a name for each, what they are, what else is finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.settings import adopt, describe, name_of, others, write
from ssmi.ablation.table import OtherSettings
from ssmi.model.runs import json_files
from ssmi.model.runs.checkpoint import CheckpointMetadata
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Advance

MADE = {"train.epochs": 2, "train.seed": 13, "shards": "a" * 64, "the shards' encoder": "b" * 64}


class Notes:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        yield lambda n: None

    def note(self, message: str) -> None:
        self.notes.append(message)


def _finish(settings: Path, seed: int, **f1: float) -> None:
    folder = settings / str(seed)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({split: {"f1": value} for split, value in f1.items()}))


def _others(runs: Path, now: Mapping[str, Any], *, present: str = "now") -> list[OtherSettings]:
    return list(others(runs, configuration="ssmi", present=present, now=dict(now)))


# --- names ------------------------------------------------------------------------------------------------------------


@given(
    made=st.dictionaries(st.sampled_from(["model.can", "train.epochs", "shards", "x"]), st.integers(0, 3) | st.text()),
    seeds=st.tuples(st.integers(), st.integers()),
)
def test_runs_that_differ_in_the_seed_alone_lie_in_one_folder(made: dict[str, Any], seeds: tuple[int, int]) -> None:
    one, two = ({**made, "train.seed": seed} for seed in seeds)
    reordered = dict(reversed(one.items()))
    assert name_of(one) == name_of(two) == name_of(reordered) == name_of(made)
    assert len(name_of(one)) == 8 and int(name_of(one), 16) >= 0
    assert name_of({**made, "model.gru": True}) != name_of(made)


def test_a_folder_says_what_it_stands_for(tmp_path: Path) -> None:
    params = Params.model_validate({"train": {"epochs": 9}, "selection": {"threshold": 0.7}})
    write(tmp_path / "a" / "b", describe(params, MADE))
    body = json.loads((tmp_path / "a" / "b" / "params.json").read_text(encoding="utf-8"))
    assert body["fingerprint"] == {name: value for name, value in MADE.items() if name != "train.seed"}
    assert body["features"]["selection"]["threshold"] == 0.7
    assert not {"train", "model", "datasets"} & set(body["features"])
    assert body["features"].keys() | {"train", "model", "datasets"} == params.model_dump().keys()


# --- others -----------------------------------------------------------------------------------------------------------


def test_finished_runs_of_other_parameters_are_told_with_their_means(tmp_path: Path) -> None:
    now = describe(Params(), MADE)
    folder = tmp_path / "ssmi" / "other"
    write(folder, describe(Params(), {**MADE, "train.epochs": 5}))
    _finish(folder, 10, dev=0.5, test=0.25)
    _finish(folder, 9, dev=0.75)  # no test, so there is no mean of test
    (folder / "11").mkdir()  # not finished
    (folder / "notes").mkdir()
    write(tmp_path / "ssmi" / "empty", describe(Params(), {}))
    write(tmp_path / "ssmi" / "now", now)
    _finish(tmp_path / "ssmi" / "now", 9, dev=1.0)
    write(tmp_path / "no-can" / "other", now)
    _finish(tmp_path / "no-can" / "other", 9, dev=1.0)
    expected = OtherSettings("ssmi", "other", ["train.epochs 5 (now 2)"], [9, 10], {"dev": 0.625})
    assert _others(tmp_path, now) == [expected]
    assert _others(tmp_path / "nowhere", now) == []


@pytest.mark.parametrize(
    ("then", "differs"),
    [
        ({"train.epochs": None}, ["train.epochs null (now 2)"]),
        ({"model.can": False, "train.epochs": 3}, ["model.can False (now null)", "train.epochs 3 (now 2)"]),
        ({"shards": "c" * 64}, ["shards cccccccccccc (now aaaaaaaaaaaa)"]),
        ({}, ["its features are not built"]),
    ],
)
def test_what_differs(tmp_path: Path, then: dict[str, Any], differs: list[str]) -> None:
    made = {name: value for name, value in {**MADE, **then}.items() if value is not None}
    folder = tmp_path / "ssmi" / "other"
    write(folder, describe(Params(), made))
    _finish(folder, 1, dev=0.5)
    assert [each.differs for each in _others(tmp_path, describe(Params(), MADE))] == [differs]


def test_parameters_of_features_stand_for_the_digest_of_their_shards(tmp_path: Path) -> None:
    """A person knows ``selection.threshold``, and nobody a digest."""
    folder = tmp_path / "ssmi" / "other"
    features = Params.model_validate({"selection": {"threshold": 0.7}})
    write(folder, describe(features, {**MADE, "shards": "c" * 64, "train.epochs": 3}))
    _finish(folder, 1, dev=0.5)
    default = Params().selection.threshold
    selection = f"selection.threshold 0.7 (now {default})"
    (found,) = _others(tmp_path, describe(Params(), MADE))
    assert found.differs == [selection, "train.epochs 3 (now 2)"]
    (unbuilt,) = _others(tmp_path, describe(Params(), {}))  # no shards yet: only features can be compared
    assert unbuilt.differs == [selection]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"features": {}}', '{"features": [], "fingerprint": {}}'])
def test_a_folder_that_does_not_say_what_it_is(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "ssmi" / "other"
    _finish(folder, 1, dev=0.5)
    (folder / "params.json").write_text(text, encoding="utf-8")
    (found,) = _others(tmp_path, describe(Params(), MADE))
    assert found.differs == ["params.json cannot be read"] and found.f1 == {"dev": 0.5}


# --- runs of an earlier version ---------------------------------------------------------------------------------------


def _leave_run(folder: Path, made: Mapping[str, Any], params: Params) -> None:
    """What an ablation reads of a finished run."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    metadata = CheckpointMetadata(
        shards="a" * 64, vocabulary_digest="v", encoder_digest="e", n_parameters=1, best_epoch=1, fingerprint=dict(made)
    )
    json_files.write(checkpoint / "checkpoint.json", metadata)
    (checkpoint / "params.json").write_text(parameters.dump(params), encoding="utf-8")
    (folder / "metrics.json").write_text("{}", encoding="utf-8")


def test_they_are_moved_to_where_runs_are_looked_for(tmp_path: Path) -> None:
    params = Params.model_validate({"selection": {"threshold": 0.7}})
    for seed in (13, 14):
        _leave_run(tmp_path / "ssmi" / str(seed), {**MADE, "train.seed": seed}, params)
    _leave_run(tmp_path / "no-can" / "13", {**MADE, "model.can": False}, params)
    reporter = Notes()
    adopt(tmp_path, reporter)
    settings = tmp_path / "ssmi" / name_of(MADE)
    assert sorted(path.name for path in settings.iterdir()) == ["13", "14", "params.json"]
    assert json.loads((settings / "params.json").read_text("utf-8")) == describe(params, MADE)
    assert (tmp_path / "no-can" / name_of({**MADE, "model.can": False}) / "13" / "metrics.json").is_file()
    assert not (tmp_path / "ssmi" / "13").exists()
    (note,) = reporter.notes
    assert note.startswith("3 runs of an earlier version moved: ")
    adopt(tmp_path, reporter)  # nothing is left to move
    assert reporter.notes == [note]


def test_those_that_cannot_be_placed_stay_and_are_named(tmp_path: Path) -> None:
    there, broken = tmp_path / "ssmi" / "13", tmp_path / "ssmi" / "14"
    _leave_run(there, MADE, Params())
    _leave_run(broken, {**MADE, "train.seed": 14}, Params())
    (broken / "checkpoint" / "params.json").write_text("{", encoding="utf-8")
    taken = tmp_path / "ssmi" / name_of(MADE) / "13"
    _finish(taken.parent, 13, dev=0.5)
    reporter = Notes()
    adopt(tmp_path, reporter)
    said = "a run of an earlier version that cannot be placed; left as it is"
    assert reporter.notes == [f"{there}: {said}", f"{broken}: {said}"]
    assert (there / "metrics.json").is_file() and (broken / "metrics.json").is_file()
    assert json.loads((taken / "metrics.json").read_text("utf-8")) == {"dev": {"f1": 0.5}}


def test_broken_scores_of_other_settings_are_refused_with_their_path(tmp_path: Path) -> None:
    folder = tmp_path / "ssmi" / "12345678"
    write(folder, describe(Params(), MADE))
    _finish(folder, 13, dev=0.5)
    (folder / "13" / "metrics.json").write_text('{"dev"', encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"13/metrics\.json"):
        _others(tmp_path, describe(Params(), MADE))

"""Reload a checkpoint and score other shards with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ssmi.configurations import find
from ssmi.model.data.folds import Fold
from ssmi.model.data.shards import open_shards
from ssmi.model.evaluation.scoring import Scores
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.split_tagging import fold_of, tag_split
from ssmi.model.training.train import TrainResult, train
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import FeatureParameters
from ssmi.pipeline.contract.progress import Silent

FEATURES = {name: Params().section(name) for name in FeatureParameters.model_fields}
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
) -> tuple[TrainResult, Path]:
    folder = tmp_path_factory.mktemp("trained")
    splits = {"train": sentences, "dev": sentences[:4], "test": sentences[4:]}
    shards = write_shards(folder / "shards", splits, hidden=True)
    params = make_params(train__epochs=3)
    result = train(shards=shards, encoder=encoder_folder, run=folder / "run", params=params, reporter=Silent())
    return result, shards


def _evaluate(run: Path, shards: Path, split: str) -> Scores:
    return tag_split(run=run, shards=shards, split=split, device="cpu", reporter=Silent()).scores


def test_a_reloaded_checkpoint_scores_the_same(trained: tuple[TrainResult, Path]) -> None:
    result, shards = trained
    assert result.dev.overall.f1 > 0
    assert _evaluate(result.run, shards, "dev") == result.dev
    assert _evaluate(result.run, shards, "test") == result.test


def test_training_and_tagging_leave_the_number_of_threads_as_it_was(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        params = make_params(train__epochs=1, train__threads=2)
        train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
        assert torch.get_num_threads() == 3
        _evaluate(tmp_path / "run", shards, "dev")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("encoder", "fusion"), [("frozen", "output"), ("frozen", "none"), ("finetune", "none")])
def test_every_kind_of_network_reloads(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, encoder: str, fusion: str
) -> None:
    params = make_params(model__encoder=encoder, model__fusion=fusion)
    result = train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    assert _evaluate(result.run, shards, "test") == result.test


@pytest.mark.parametrize("fusion", ["input", "output", "none"])
def test_a_network_of_upper_layers_reloads(
    shards_of_layer_1: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, fusion: str
) -> None:
    shards, params = shards_of_layer_1, make_params(model__encoder="upper", model__fusion=fusion)
    result = train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    assert _evaluate(result.run, shards, "test") == result.test
    names = load_file(result.run / "checkpoint" / "model.safetensors").keys()
    layers = {name.split(".")[4] for name in names if name.startswith("encoder.bert.encoder.layer.")}
    assert layers == {"0"} and not any("embeddings" in name for name in names)


@pytest.mark.parametrize(
    "changes",
    [
        {"model__encoder": "frozen", "train__ema": 0.5},
        {"model__encoder": "upper", "train__stream": True},
        {"model__encoder": "none", "train__fgm": 1.0, "train__precision": "bf16"},
        {"train__folds": 2, "train__fold": 2, "train__test": False},
    ],
)
def test_span_head_works_with_every_encoder_and_training_option(
    shards: Path, shards_of_layer_1: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, changes: Any
) -> None:
    built = shards_of_layer_1 if changes.get("model__encoder") == "upper" else shards
    params = find("span").apply(make_params())
    tree = params.model_dump(mode="json")
    for name, value in changes.items():
        section, _, key = name.partition("__")
        tree[section][key] = value
    params = Params.model_validate(tree)
    result = train(shards=built, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    again = tag_split(run=result.run, shards=built, split="dev", device="cpu", reporter=Silent(), probabilities=True)
    assert again.scores == result.dev
    assert again.predicted.ill_formed == 0 and 0.0 <= again.calibration.ece <= 1.0


def test_span_head_memorises_a_few_sentences(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    shards = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": sentences})
    params = find("span").apply(make_params(train__epochs=40))
    result = train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    assert result.dev.overall.f1 == 1.0 and result.test == result.dev and result.history[0].dev.overall.f1 < 1.0
    tagged = tag_split(run=result.run, shards=shards, split="test", device="cpu", reporter=Silent(), probabilities=True)
    assert tagged.scores == result.test
    # Boundary smoothing's target is 1 - ε, and higher at a sentence's edge.
    assert 0.6 < tagged.calibration.mean_probability < 1.0


def test_upper_layers_need_the_states_that_they_were_trained_on(
    shards: Path, shards_of_layer_1: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    params = make_params(model__encoder="upper")
    run = tmp_path / "run"
    train(shards=shards_of_layer_1, encoder=encoder_folder, run=run, params=params, reporter=Silent())
    with pytest.raises(StaleArtifactError, match=r"shards\.hidden_layers is 1 in the run, 2 in the shards"):
        _evaluate(run, shards, "test")


def test_unseen_boundaries_take_their_pretrained_vector(
    tmp_path: Path, trained: tuple[TrainResult, Path], write_shards: Make, sentence: Make, boundary_vectors: Make
) -> None:
    result, shards = trained
    other = write_shards(tmp_path / "other", {"test": [sentence("[李|PER]在北京", best={0: 5, 2: 11, 3: 700})]})
    loaded = checkpoints.load(result.run / "checkpoint", shards=open_shards(other))
    before = checkpoints.load(result.run / "checkpoint", shards=open_shards(shards))
    assert before.boundaries.ids.tolist() == [7, 8, 11, 90]
    assert loaded.boundaries.ids.tolist() == [7, 8, 11, 90, 5, 700]
    assert loaded.network.boundary is not None and before.network.boundary is not None
    table, trained_table = loaded.network.boundary.table.weight, before.network.boundary.table.weight
    assert torch.equal(table[:5], trained_table)
    assert not torch.equal(trained_table[3], torch.from_numpy(boundary_vectors([11])[0]))  # the vector was trained
    assert torch.equal(table[5:], torch.from_numpy(boundary_vectors([5, 700])))
    assert not table[0].any()
    assert _evaluate(result.run, other, "test").n_sentences == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"statistics": {"vocabulary_digest": "vocabulary-b"}},
            "vocabulary vocabulary-a in the run, vocabulary-b in the shards",
        ),
        ({"statistics": {"encoder_digest": "encoder-b"}}, "encoder encoder-a in the run, encoder-b in the shards"),
        (
            {"statistics": {"feature_parameters": {**FEATURES, "selection": {"choice": "random"}}}},
            r"trained on other features .*selection\.choice is cosine in the run, random in the shards",
        ),
        ({"entity_types": ("LOC", "ORG", "PER")}, "labels BMES LOC,PER in the run, BMES LOC,ORG,PER in the shards"),
    ],
)
def test_incompatible_shards_are_refused(
    tmp_path: Path,
    trained: tuple[TrainResult, Path],
    write_shards: Make,
    sentences: list[Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    other = write_shards(tmp_path / "other", {"test": sentences}, **changes)
    with pytest.raises(StaleArtifactError, match=message):
        _evaluate(trained[0].run, other, "test")


def test_a_frozen_checkpoint_needs_stored_states(
    shards: Path, tmp_path: Path, write_shards: Make, sentences: list[Any], make_params: Make
) -> None:
    params = make_params(model__encoder="frozen", model__fusion="none")
    train(shards=shards, encoder=None, run=tmp_path / "run", params=params, reporter=Silent())
    with pytest.raises(StaleArtifactError, match=r"shards\.hidden=true"):
        _evaluate(tmp_path / "run", write_shards(tmp_path / "other", {"test": sentences}), "test")


def test_empty_split_and_missing_run_are_refused(
    trained: tuple[TrainResult, Path], tmp_path: Path, write_shards: Make
) -> None:
    with pytest.raises(InputDataError, match="no dev sentences"):
        _evaluate(trained[0].run, write_shards(tmp_path / "empty", {"test": []}), "dev")
    with pytest.raises(MissingResourceError, match="no such folder"):
        _evaluate(tmp_path / "nowhere", trained[1], "dev")


@pytest.mark.parametrize("file", ["checkpoint.json", "labels.json", "model.safetensors", "params.json"])
def test_damaged_checkpoint_is_refused(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, file: str
) -> None:
    run = tmp_path / "run"
    train(shards=shards, encoder=encoder_folder, run=run, params=make_params(train__epochs=1), reporter=Silent())
    (run / "checkpoint" / file).write_text("{", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=file):
        _evaluate(run, shards, "dev")


def test_checkpoint_of_another_format_is_refused(
    trained: tuple[TrainResult, Path], shards: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "checkpoint"
    folder.mkdir(parents=True)
    facts = json.loads((trained[0].run / "checkpoint" / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**facts, "format": 99}), encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="format 99"):
        _evaluate(tmp_path / "run", shards, "dev")


# --- a run of one fold ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fold_run(
    tmp_path_factory: pytest.TempPathFactory,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
) -> tuple[TrainResult, Path]:
    """A run on the second of three folds, and its shards."""
    folder = tmp_path_factory.mktemp("fold")
    shards = write_shards(folder / "shards", {"train": sentences[:7], "dev": sentences[7:], "test": sentences[2:]})
    params = make_params(train__folds=3, train__fold=2, train__test=False, train__epochs=3)
    result = train(shards=shards, encoder=encoder_folder, run=folder / "run", params=params, reporter=Silent())
    return result, shards


def test_dev_of_a_fold_run_is_its_fold_and_train_the_others(fold_run: tuple[TrainResult, Path]) -> None:
    result, shards = fold_run
    assert _evaluate(result.run, shards, "dev") == result.dev
    assert result.dev.n_sentences + _evaluate(result.run, shards, "train").n_sentences == 10
    assert _evaluate(result.run, shards, "test").n_sentences == 8  # folds leave the test split as it is


def test_other_shards_are_refused_for_folds_but_not_for_test(
    fold_run: tuple[TrainResult, Path], tmp_path: Path, write_shards: Make, sentences: list[Any]
) -> None:
    result, _ = fold_run
    other = write_shards(tmp_path / "other", {"train": sentences, "dev": sentences[:2], "test": sentences[:3]})
    for split in ("train", "dev"):
        with pytest.raises(StaleArtifactError, match=f"fold 2 of 3 of other shards.*sentences of {split}"):
            _evaluate(result.run, other, split)
    assert _evaluate(result.run, other, "test").n_sentences == 3


def test_splits_of_a_fold_run_map_to_its_fold(
    fold_run: tuple[TrainResult, Path], trained: tuple[TrainResult, Path]
) -> None:
    result, shards = fold_run
    opened = open_shards(shards)
    assert [fold_of(result.run, opened, split) for split in ("train", "dev", "test")] == [Fold(2, 3), Fold(2, 3), None]
    plain, plain_shards = trained
    assert fold_of(plain.run, open_shards(plain_shards), "dev") is None

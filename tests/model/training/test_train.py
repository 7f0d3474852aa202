"""Complete training runs on tiny shards."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from ssmi.configurations import find
from ssmi.model.data.batches import collate
from ssmi.model.data.folds import Fold, fold_characters
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.training_data import StreamedSplit
from ssmi.model.encoder_defaults import size_of
from ssmi.model.evaluation.scoring import add
from ssmi.model.evaluation.sentence_counts import name_of
from ssmi.model.network.requirements import required_features
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.results import counts_file
from ssmi.model.training.train import TrainResult, train
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import (
    DivergedError,
    InputDataError,
    MissingResourceError,
    ParameterError,
    StaleArtifactError,
)
from ssmi.pipeline.contract.parameters.params import ModelParams, TrainParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Advance, Silent
from ssmi.pipeline.contract.storage.digests import SEAL, digest_json
from tests.reporters import RecordingReporter

Make = Callable[..., Any]
PLAIN = {
    **{f"model__{part}": False for part in ("can", "lmi", "mlp1", "gru", "layer_norm", "mlp2", "biaffine")},
    "model__gmi": "none",
}
"""A network of encoder, boundaries and CRF only."""


def _train(shards: Path, encoder: Path | None, run: Path, params: Any, reporter: Any = None) -> TrainResult:
    return train(shards=shards, encoder=encoder, run=run, params=params, reporter=reporter or Silent())


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("fusion", ["none", "input", "output"])
def test_training_memorises_a_few_sentences(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make, fusion: str
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": sentences})
    params = make_params(model__fusion=fusion, train__epochs=12, train__lr_new=3e-3)
    result = _train(folder, encoder_folder, tmp_path / "run", params)
    assert result.dev.overall.f1 == 1.0
    assert result.dev.overall.gold == sum(len(sentence.spans) for sentence in sentences)
    assert result.test is not None and result.test.overall == result.dev.overall
    assert result.history[0].dev.overall.f1 < 1.0
    assert result.best_epoch == next(record.epoch for record in result.history if record.dev.overall.f1 == 1.0)


@pytest.mark.parametrize(("setting", "n_trained"), [("auto", 4), (None, 5), (2, 2)])
def test_only_the_first_layers_of_a_small_encoder_are_trained(
    tmp_path: Path,
    write_shards: Make,
    sentences: list[Any],
    tiny_bert: BertModel,
    encoder_folder: Path,
    make_params: Make,
    setting: object,
    n_trained: int,
) -> None:
    deep = BertModel(
        BertConfig.from_dict({**tiny_bert.config.to_dict(), "num_hidden_layers": 5}), add_pooling_layer=False
    )
    deep.save_pretrained(tmp_path / "deep")
    shutil.copy(encoder_folder / "vocab.txt", tmp_path / "deep")
    splits = {"train": sentences, "dev": sentences, "test": []}
    folder = write_shards(tmp_path / "s", splits, statistics={"encoder_layers": 5})
    reporter = RecordingReporter()
    _train(folder, tmp_path / "deep", tmp_path / "run", make_params(model__encoder_layers=setting), reporter)
    (weights,) = (tmp_path / "run" / "checkpoint").rglob("*.safetensors")
    layers = {int(layer) for name in load_file(weights) for layer in re.findall(r"layer\.(\d+)\.", name)}
    assert layers == set(range(n_trained))
    expected = "all 5 layers" if setting is None else f"the first {n_trained} of 5 layers"
    assert any(expected in note for note in reporter.notes)


def test_part_after_an_untrained_layer_is_refused(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    splits = {"train": sentences, "dev": sentences, "test": []}
    folder = write_shards(tmp_path / "s", splits, statistics={"encoder_layers": 12})
    params = make_params(model__fusion="layer", model__fusion_layer=5)
    with pytest.raises(
        ParameterError, match=r"fusion_layer: 5, but model\.encoder_layers: 4 \(auto.*at most -S model\.fusion_layer=4"
    ):
        _train(folder, encoder_folder, tmp_path / "run", params)


def test_more_layers_than_the_encoder_has_are_refused(
    shards: Path, encoder_folder: Path, tmp_path: Path, make_params: Make
) -> None:
    params = make_params(model__encoder_layers=3)
    with pytest.raises(ParameterError, match=r"encoder_layers: 3, but the encoder of .* has 2 .*encoder_layers=2"):
        _train(shards, encoder_folder, tmp_path / "run", params)
    assert not (tmp_path / "run").exists()


def test_frozen_states_are_enough_to_learn(shards: Path, tmp_path: Path, make_params: Make) -> None:
    chosen = {"model__encoder": "frozen", "model__fusion": "output"}
    params = make_params(train__epochs=40, train__lr_new=3e-2, **PLAIN, **chosen)
    result = _train(shards, None, tmp_path / "run", params)
    assert result.dev.overall.f1 == 1.0
    assert not (tmp_path / "run" / "checkpoint" / "encoder").exists()


def test_patience_ends_a_run_without_improvement(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    full_run = _train(shards, encoder_folder, tmp_path / "whole", make_params(train__epochs=12, train__lr_new=3e-3))
    expected = full_run.best_epoch + 2
    assert expected < 12  # the run memorises these sentences early
    reporter = RecordingReporter()
    params = make_params(train__epochs=12, train__lr_new=3e-3, train__patience=2)
    result = _train(shards, encoder_folder, tmp_path / "run", params, reporter)
    assert [record.epoch for record in result.history] == list(range(1, expected + 1))
    assert result.best_epoch == full_run.best_epoch and result.test == full_run.test
    assert list(result.history) == list(full_run.history)[:expected]  # the learning rates are those of the full run
    assert any("train.patience" in note for note in reporter.notes)


def test_automatic_rates_are_those_of_the_table(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    names = ("lr_encoder", "lr_boundaries", "lr_crf", "lr_new")
    chosen = size_of(32).rates
    runs, reporter = [], RecordingReporter()
    for place, rates in enumerate((dict.fromkeys(names, "auto"), {name: getattr(chosen, name) for name in names})):
        params = make_params(**{f"train__{name}": rate for name, rate in rates.items()})
        _train(shards, encoder_folder, tmp_path / str(place), params, reporter)
        runs.append(_digests(tmp_path / str(place)))
    assert runs[0] == runs[1]  # including the record of the run's inputs
    assert "encoder 0.0002" in reporter.notes[0] and "width 32" in reporter.notes[0]


def test_bf16_training_learns(shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make) -> None:
    params = make_params(train__precision="bf16", train__epochs=15, train__lr_new=3e-3)
    result = _train(shards, encoder_folder, tmp_path / "run", params)
    assert result.dev.overall.f1 == 1.0
    weights = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    assert weights["tags.weight"].dtype == torch.float32


Finished = tuple[Path, TrainResult, RecordingReporter]


@pytest.fixture
def finished(shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make) -> Finished:
    """A run folder of two epochs, the result of the training, and its reporter."""
    run, reporter = tmp_path / "run", RecordingReporter()
    return run, _train(shards, encoder_folder, run, make_params(), reporter), reporter


def test_run_folder_holds_exactly_these_files(finished: Finished, tmp_path: Path) -> None:
    run = finished[0]
    assert sorted(_digests(run)) == [
        "checkpoint/checkpoint.json",
        "checkpoint/encoder/config.json",
        "checkpoint/encoder/vocab.txt",
        "checkpoint/files.json",
        "checkpoint/labels.json",
        "checkpoint/model.safetensors",
        "checkpoint/params.json",
        "checkpoint/shards/manifest.json",
        "counts/dev.parquet",
        "counts/test.parquet",
        "files.json",
        "headline.json",
        "history.csv",
        "metrics.json",
    ]
    assert all(str(tmp_path).encode() not in path.read_bytes() for path in run.rglob("*.*") if path.is_file())


def test_checkpoint_records_its_inputs(finished: Finished, shards: Path) -> None:
    run, result, _ = finished
    facts = json.loads((run / "checkpoint" / "checkpoint.json").read_text())
    weights = load_file(run / "checkpoint" / "model.safetensors")
    assert weights.pop("boundary_ids").tolist() == [7, 8, 11, 90]
    fingerprint = facts.pop("fingerprint")
    assert (fingerprint["model.fusion"], fingerprint["train.precision"]) == ("input", "fp32")
    assert fingerprint["shards"] == facts["shards"] and "train.threads" not in fingerprint
    assert facts.pop(SEAL) == digest_json({**facts, "fingerprint": fingerprint})
    assert facts == {
        "best_epoch": result.best_epoch,
        "encoder_digest": "encoder-a",
        "format": 4,
        "n_parameters": sum(tensor.numel() for tensor in weights.values()),
        "shards": manifests.digest_file(shards / "manifest.json"),
        "vocabulary_digest": "vocabulary-a",
    }


def test_scores_are_saved_by_epoch_split_and_sentence(finished: Finished, sentences: list[Any]) -> None:
    run, result, _ = finished
    rows = list(csv.DictReader((run / "history.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == ["epoch", "train_loss", "dev_precision", "dev_recall", "dev_f1"]
    assert float(rows[1]["train_loss"]) == pytest.approx(result.history[1].train_loss, abs=1e-6)
    metrics, headline = (json.loads((run / name).read_text()) for name in ("metrics.json", "headline.json"))
    assert headline == {
        split: {name: metrics[split][name] for name in ("precision", "recall", "f1")} for split in ("dev", "test")
    }
    assert result.test is not None
    assert metrics == {"dev": result.dev.to_json(), "test": result.test.to_json()}
    assert metrics["dev"]["n_sentences"] == 4 and metrics["test"]["n_sentences"] == 6
    gold = {"dev": sentences[:4], "test": sentences[4:]}
    for split, split_sentences in gold.items():
        counted = counts_file.read(run, split)
        assert counted is not None
        assert list(counted.sentences) == [name_of(sentence.text, sentence.spans) for sentence in split_sentences]
        assert metrics[split]["by_type"] == {label: total.to_json() for label, total in add(counted.counts).items()}


def test_progress_is_reported_in_characters(finished: Finished) -> None:
    reporter = finished[2]
    assert [(label, task.unit) for label, task in reporter.tasks.items()] == [
        ("reading shards and encoder", "splits"),
        ("counting steps", "epochs"),
        ("epoch 1/2", "characters"),
        ("dev", "characters"),
        ("epoch 2/2", "characters"),
        ("test", "characters"),
    ]
    for label, task in reporter.tasks.items():
        assert task.done == task.total * (2 if label.startswith("dev") else 1)
    notes = [line.split(":")[0] for note in reporter.notes for line in note.splitlines()]
    assert notes == ["encoder", "learning rates", "epoch 1", "epoch 2"]
    assert "dev F1" in reporter.notes[1] and "loss" in reporter.notes[1]


@pytest.mark.parametrize("encoder", ["finetune", "frozen"])
def test_two_runs_write_the_same_bytes(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, encoder: str
) -> None:
    chosen = {"model__encoder": encoder, "model__fusion": "output", "model__dropout": 0.3}
    params = make_params(**chosen, model__boundary_dropout=0.3)
    for name in ("one", "two", "other seed"):
        torch.manual_seed(len(name))  # the random state left by earlier code must not matter
        seeded = make_params(**chosen, model__boundary_dropout=0.3, train__seed=14) if name == "other seed" else params
        _train(shards, encoder_folder, tmp_path / name, seeded)
    one, two, other = (_digests(tmp_path / name) for name in ("one", "two", "other seed"))
    assert one == two
    assert one["checkpoint/model.safetensors"] != other["checkpoint/model.safetensors"]


def test_reports_of_a_replaced_run_are_removed(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    run, params = tmp_path / "run", make_params(train__epochs=1)
    run.mkdir()
    for name in ("report-dev.html", "report-test.html", "report-of-mine.html"):
        (run / name).touch()
    _train(shards, encoder_folder, run, params)
    assert [path.name for path in run.glob("*.html")] == ["report-of-mine.html"]


def test_earliest_of_equal_epochs_is_kept(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    rates = ("train__lr_encoder", "train__lr_new", "train__lr_crf", "train__lr_boundaries")
    tiny = dict.fromkeys(rates, 1e-9)
    result = _train(shards, encoder_folder, tmp_path / "run", make_params(train__epochs=3, **tiny))
    assert len({record.dev.overall.f1 for record in result.history}) == 1
    assert result.best_epoch == 1
    assert json.loads((tmp_path / "run" / "checkpoint" / "checkpoint.json").read_text())["best_epoch"] == 1


def test_best_epoch_is_kept_and_tested(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": sentences})
    for seed in range(20):
        # This rate is high enough to unlearn: with some seed the last epoch is not the best.
        rates = {"train__lr_encoder": 3e-2, "train__warmup": 0.0, "train__clip": 100.0, "train__seed": seed}
        result = _train(folder, encoder_folder, tmp_path / "run", make_params(train__epochs=4, **PLAIN, **rates))
        scores = [record.dev.overall.f1 for record in result.history]
        assert result.best_epoch == scores.index(max(scores)) + 1
        assert result.test is not None and result.test.to_json() == result.dev.to_json()
        if result.best_epoch < len(scores):
            return
    pytest.fail("the last epoch was always the best")


def test_last_epoch_is_kept_if_selected(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": sentences})
    frozen = dict.fromkeys(("train__lr_encoder", "train__lr_new", "train__lr_crf", "train__lr_boundaries"), 1e-9)
    # Nothing is learnt, so all epochs are equal, and `best` would keep the first.
    result = _train(
        folder, encoder_folder, tmp_path / "run", make_params(train__epochs=3, train__select="last", **frozen)
    )
    assert result.best_epoch == 3 and result.dev == result.history[-1].dev
    assert json.loads((tmp_path / "run" / "checkpoint" / "checkpoint.json").read_text())["best_epoch"] == 3
    assert result.test is not None and result.test.to_json() == result.dev.to_json()


def test_a_fold_is_trained_on_the_others_and_test_is_not_read(
    tmp_path: Path,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
    reseal: Make,
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences[:7], "dev": sentences[7:], "test": sentences})
    for path in tables.list_parts(folder, "test"):
        rows = tables.read_rows(path, schema.SHARDS)
        tables.write_rows(path, schema.SHARDS, [{**row, "tag_ids": [99] * len(row["tag_ids"])} for row in rows])
    reseal(folder)
    scored: list[str] = []
    for fold in (1, 2, 3):
        changes = {"train__folds": 3, "train__fold": fold, "train__test": False, "train__epochs": 1}
        reporter = RecordingReporter()
        result = _train(folder, encoder_folder, tmp_path / str(fold), make_params(**changes), reporter)
        counted = counts_file.read(tmp_path / str(fold), "dev")
        assert result.test is None and counted is not None
        assert result.dev.n_sentences == len(counted.sentences) in (3, 4)
        n_characters = sum(len(sentence.text) for sentence in sentences)
        assert reporter.tasks["epoch 1/1"].total + reporter.tasks["dev"].total == n_characters
        scored += counted.sentences
    assert sorted(scored) == sorted(name_of(list(sentence.text), sentence.spans) for sentence in sentences)


def test_fold_run_equals_a_run_on_the_same_splits(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    all_shards = write_shards(tmp_path / "whole", {"train": sentences})
    fold = Fold(2, 3)
    by_text = {sentence.text: sentence for sentence in sentences}
    sides = {
        side: [by_text["".join(text)] for text in fold_characters(open_shards(all_shards), side, fold)]
        for side in ("train", "dev")
    }
    # The boundary table has the same order, so the rows of the network's embedding are the same.
    ids = open_shards(all_shards).boundaries.ids.tolist()
    split_shards = write_shards(tmp_path / "cut", sides, boundary_ids=ids)
    changes = {"train__test": False, "train__epochs": 2}
    by_fold = make_params(train__folds=3, train__fold=2, **changes)
    fold_result = _train(all_shards, encoder_folder, tmp_path / "one", by_fold)
    split_result = _train(split_shards, encoder_folder, tmp_path / "two", make_params(**changes))
    assert fold_result.step_losses == split_result.step_losses
    assert [record.dev for record in fold_result.history] == [record.dev for record in split_result.history]


def test_without_a_test_split_only_dev_is_reported(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": []})
    result = _train(folder, encoder_folder, tmp_path / "run", make_params())
    assert result.test is None
    assert list(json.loads((tmp_path / "run" / "metrics.json").read_text())) == ["dev"]


CHANGED_VALUES: dict[str, Any] = {
    "model.encoder": "none",
    "model.encoder_layers": 1,
    "model.fusion": "output",
    "model.fusion_layer": 2,
    "model.segment_positions": False,
    "model.boundary_roles": True,
    "model.cosine_gate": True,
    "model.lexicon": "softlexicon",
    "model.lexicon_layer": 2,
    "model.recurrent_cell": "lstm",
    "model.can": False,
    "model.lmi": False,
    "model.mlp1": False,
    "model.gru": False,
    "model.layer_norm": False,
    "model.gmi": "infonce",
    "model.mlp2": False,
    "model.biaffine": False,
    "model.head": "span",
    "model.can_window": 3,
    "model.hidden_width": 64,
    "model.biaffine_width": 4,
    "model.character_width": 64,
    "model.span_width": 64,
    "model.span_smoothing": 0.3,
    "model.span_smoothing_distance": 2,
    "model.gmi_weight": 0.9,
    "model.train_boundaries": False,
    "model.dropout": 0.3,
    "model.boundary_dropout": 0.3,
    "train.seed": 14,
    "train.batch_size": 5,
    "train.lr_encoder": 2e-3,
    "train.lr_boundaries": 2e-3,
    "train.lr_crf": 2e-2,
    "train.lr_new": 2e-2,
    "train.weight_decay": 0.9,
    "train.warmup": 0.5,
    "train.clip": 0.1,
    "train.fgm": 1.0,
}
TESTED_SEPARATELY = {
    *("epochs", "max_steps", "patience", "select", "folds", "fold", "test", "ema", "precision", "device", "threads"),
    *("stream", "stream_buffer"),
}
"""Training parameters that set duration, data, device or precision, and have tests of their own."""
READ_WITH: dict[str, dict[str, Any]] = {
    "model.character_width": {"model__encoder": "none"},
    "model.fusion_layer": {"model__fusion": "layer"},
    "model.lexicon_layer": {"model__lexicon": "lebert"},
    "model.span_width": {"model__head": "span"},
    "model.span_smoothing": {"model__head": "span"},
    "model.span_smoothing_distance": {"model__head": "span"},
}
"""Settings that a parameter needs in order to be read, by parameter."""


@pytest.fixture(scope="module")
def default_losses(
    tmp_path_factory: pytest.TempPathFactory,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
) -> dict[str, Sequence[float]]:
    """Step losses with the settings in ``READ_WITH``, by parameter; the empty name has those without changes."""
    folder = tmp_path_factory.mktemp("usual")
    shards = write_shards(folder / "shards", {"train": sentences, "dev": sentences, "test": sentences})
    return {
        name: _train(
            shards, encoder_folder, folder / f"run{name}", make_params(**changes, train__max_steps=3)
        ).step_losses
        for name, changes in {"": {}, **READ_WITH}.items()
    }


@pytest.mark.parametrize("name", CHANGED_VALUES)
def test_every_parameter_changes_the_losses(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, default_losses: Any, name: str
) -> None:
    changes = {**READ_WITH.get(name, {}), "train__max_steps": 3, name.replace(".", "__"): CHANGED_VALUES[name]}
    losses = _train(shards, encoder_folder, tmp_path / "run", make_params(**changes)).step_losses
    assert all(map(math.isfinite, losses))
    assert losses != default_losses[name if name in READ_WITH else ""]


def test_changed_values_cover_every_parameter(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, default_losses: Any
) -> None:
    unchanged = _train(shards, encoder_folder, tmp_path / "run", make_params(train__max_steps=3)).step_losses
    assert unchanged == default_losses[""]
    named = {f"model.{name}" for name in ModelParams.model_fields}
    named |= {f"train.{name}" for name in TrainParams.model_fields if name not in TESTED_SEPARATELY}
    assert set(CHANGED_VALUES) == named


def test_disabled_test_split_is_not_read(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, reseal: Make
) -> None:
    full_run = _train(shards, encoder_folder, tmp_path / "whole", make_params())
    for path in tables.list_parts(shards, "test"):
        rows = tables.read_rows(path, schema.SHARDS)
        tables.write_rows(path, schema.SHARDS, [{**row, "tag_ids": [99] * len(row["tag_ids"])} for row in rows])
    reseal(shards)
    with pytest.raises(StaleArtifactError, match="test: tag ids outside"):
        _train(shards, encoder_folder, tmp_path / "read", make_params())
    result = _train(shards, encoder_folder, tmp_path / "run", make_params(train__test=False))
    assert full_run.test is not None and result.test is None
    assert result.dev.to_json() == full_run.dev.to_json()
    assert list(json.loads((tmp_path / "run" / "metrics.json").read_text())) == ["dev"]


def test_max_steps_limits_the_run(shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make) -> None:
    full_run = _train(shards, encoder_folder, tmp_path / "whole", make_params(train__epochs=2, **PLAIN))
    n_steps = len(full_run.step_losses) // 2
    for max_steps, n_epochs in ((n_steps - 1, 1), (n_steps, 1), (n_steps + 1, 2), (n_steps * 9, 2)):
        params = make_params(train__epochs=2, train__max_steps=max_steps, **PLAIN)
        reporter = RecordingReporter()
        result = _train(shards, encoder_folder, tmp_path / f"{max_steps}", params, reporter)
        assert len(result.step_losses) == min(max_steps, 2 * n_steps)
        assert len(result.history) == n_epochs and result.test is not None
        assert all(task.total == task.done for label, task in reporter.tasks.items() if "epoch" in label)
        # the rates reach the end of their schedule within ``max_steps``
        same = result.step_losses == full_run.step_losses
        assert same == (max_steps >= 2 * n_steps)


def test_steps_and_timing_are_reported(shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make) -> None:
    result = _train(shards, encoder_folder, tmp_path / "run", make_params(train__batch_size=5, **PLAIN))
    first = result.step_losses[: len(result.step_losses) // 2]
    assert len(first) == 2  # ten sentences, five per batch
    assert sum(first) / 2 == pytest.approx(result.history[0].train_loss)
    assert 0 < result.timing.waiting_seconds < result.timing.seconds


@pytest.mark.parametrize("missing", ["train", "dev"])
def test_train_and_dev_are_needed(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make, missing: str
) -> None:
    splits = {name: ([] if name == missing else sentences) for name in ("train", "dev", "test")}
    with pytest.raises(InputDataError, match=f"no {missing} sentences"):
        _train(write_shards(tmp_path / "s", splits), encoder_folder, tmp_path / "run", make_params())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fraction", "message"), [(0.1, "a dev file or more sentences"), (0.0, "-S prepare.dev_fraction")]
)
def test_missing_dev_suggests_a_fitting_next_step(
    tmp_path: Path,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
    fraction: float,
    message: str,
) -> None:
    shards = write_shards(tmp_path / "s", {"train": sentences, "dev": [], "test": []})
    with pytest.raises(InputDataError) as caught:
        _train(shards, encoder_folder, tmp_path / "run", make_params(prepare__dev_fraction=fraction))
    assert message in caught.value.next_step


def test_training_data_without_entities_is_refused(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    splits = {"train": [replace(sentence, spans=()) for sentence in sentences], "dev": sentences, "test": sentences}
    with pytest.raises(InputDataError, match="no train sentence holds an entity"):
        _train(write_shards(tmp_path / "s", splits), encoder_folder, tmp_path / "run", make_params())
    assert not (tmp_path / "run").exists()


def test_nan_loss_stops_the_run(
    shards: Path, tmp_path: Path, encoder_folder: Path, write_encoder: Make, make_params: Make
) -> None:
    broken = write_encoder(tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"][0] = torch.nan
    save_file(tensors, broken / "model.safetensors")
    run = tmp_path / "run"
    _train(shards, encoder_folder, run, make_params())
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    with pytest.raises(DivergedError, match=r"epoch 1, step 1: loss nan.*train\.lr_encoder"):
        _train(shards, broken, run, make_params())
    # the earlier run stays intact, and the failed run leaves no files
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_weights_that_the_last_step_made_infinite_are_refused(shards: Path, tmp_path: Path, make_params: Make) -> None:
    # No step follows whose loss would show it, and no test split for which the weights are read again.
    rates = {"train__lr_new": 3e38, "train__warmup": 0.0, "train__max_steps": 1, "train__test": False}
    params = make_params(model__encoder="none", model__fusion="none", train__weight_decay=100.0, **rates)
    with pytest.raises(DivergedError, match=r"epoch 1: weights that are not finite numbers.*train\.lr_encoder"):
        _train(shards, None, tmp_path / "run", params)
    assert not (tmp_path / "run" / "checkpoint").exists()


@pytest.mark.parametrize(("select", "kept"), [("best", 1), ("last", 2)])
def test_dev_without_entities_is_noted_if_it_is_to_choose_the_epoch(
    tmp_path: Path, write_shards: Make, sentences: list[Any], sentence: Make, make_params: Make, select: str, kept: int
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": [sentence("我们去北京")], "test": []})
    reporter = RecordingReporter()
    params = make_params(model__encoder="none", model__fusion="none", train__select=select)
    result = _train(folder, None, tmp_path / "run", params, reporter)
    assert result.best_epoch == kept and result.dev.overall.gold == 0
    noted = [note for note in reporter.notes if note.startswith("no dev sentence holds an entity")]
    assert len(noted) == (select == "best") and all("train.select=last" in note for note in noted)


def test_invalid_combinations_are_refused_before_writing(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    run = tmp_path / "run"
    with pytest.raises(ParameterError, match="fusion"):
        _train(shards, encoder_folder, run, make_params(model__encoder="frozen"))
    with pytest.raises(MissingResourceError, match="without its encoder"):
        _train(shards, None, run, make_params())
    with pytest.raises(ParameterError, match=r"encoder_layers: 1, but model\.encoder: none"):
        _train(shards, None, run, make_params(model__encoder="none", model__encoder_layers=1))
    with pytest.raises(ParameterError, match="gpu"):
        _train(shards, encoder_folder, run, make_params(train__device="gpu"))
    with pytest.raises(MissingResourceError, match="not built"):
        _train(tmp_path / "nowhere", encoder_folder, run, make_params())
    assert not run.exists()


def test_encoder_that_does_not_match_the_shards_is_refused(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences}, statistics={"max_window": 510})
    with pytest.raises(StaleArtifactError, match="the encoder takes 30"):
        _train(folder, encoder_folder, tmp_path / "run", make_params())


@pytest.mark.parametrize("name", ["softlexicon", "softlexicon-no-encoder", "lebert", "bilstm-crf", "char-crf"])
def test_baselines_memorise_a_few_sentences(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make, name: str
) -> None:
    # Without context each character gets a single tag; in these sentences no character needs two.
    used = sentences[:2] if name == "char-crf" else sentences
    folder = write_shards(tmp_path / "s", {"train": used, "dev": used, "test": used})
    params = find(name).apply(make_params(train__epochs=40, train__lr_new=1e-2))
    result = _train(folder, encoder_folder, tmp_path / "run", params)
    assert result.dev.overall.f1 == 1.0 and result.test is not None and result.test.overall == result.dev.overall


def test_words_are_counted_only_in_train_and_saved(
    tmp_path: Path, write_shards: Make, sentences: list[Any], make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences[:3], "dev": sentences, "test": sentences})
    params = find("softlexicon-no-encoder").apply(make_params(train__epochs=1))
    _train(folder, None, tmp_path / "run", params)
    weights = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    counts = dict(zip(weights["boundary_ids"].tolist(), weights["lexicon.counts"].tolist()[1:], strict=True))
    expected = dict.fromkeys(counts, 0)
    for sentence in sentences[:3]:
        for start, end, number in sentence.matches:
            covered = [
                match
                for match in sentence.matches
                if match[0] <= start and end <= match[1] and match[:2] != (start, end)
            ]
            expected[number] += not covered
    assert counts == expected and sum(counts.values()) > 3


def test_unused_matches_do_not_change_training(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    """Words found only in matches have boundaries too; these get no gradient and stay unchanged."""
    with_matches = [replace(sentence, matches=((0, 1, 33), *sentence.matches)) for sentence in sentences]
    runs = []
    for matches, rows in ((False, sentences), (True, with_matches)):
        folder = write_shards(tmp_path / f"s{matches}", {"train": rows, "dev": rows[:4]}, matches=matches)
        result = _train(folder, encoder_folder, tmp_path / f"run{matches}", make_params(train__epochs=3))
        runs.append((result, load_file(tmp_path / f"run{matches}" / "checkpoint" / "model.safetensors")))
    (plain, few), (matched, many) = runs
    assert list(plain.step_losses) == list(matched.step_losses) and plain.dev == matched.dev
    assert set(many["boundary_ids"].tolist()) - set(few["boundary_ids"].tolist()) == {33}
    differing = {name for name in few if few[name].shape != many[name].shape or not torch.equal(few[name], many[name])}
    assert differing == {"boundary_ids", "boundary.table.weight"}


# --- streamed -----------------------------------------------------------------------------------------------------


def test_streamed_losses_equal_those_in_memory(
    shards: Path, encoder_folder: Path, tmp_path: Path, make_params: Make
) -> None:
    """Compare losses of two epochs' batches read from disk and gathered in memory, in one network without dropout."""
    params = make_params(train__stream=True, train__stream_buffer=4, train__batch_size=2)
    result = _train(shards, encoder_folder, tmp_path / "run", params)
    opened = open_shards(shards)
    network = checkpoints.load(result.run / "checkpoint", shards=opened).network.eval()
    features = required_features(params.model)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=features)
    stream = StreamedSplit.open(opened, "train", required=features, buffer=4)
    for epoch in (1, 2):
        batches = stream.batches(batch_size=2, seed=13, epoch=epoch)
        losses = []
        with torch.no_grad():
            for batch in stream.collated(batches, seed=13, epoch=epoch, device=torch.device("cpu")):
                losses += network(batch).tolist()
            expected = [loss for rows in batches for loss in network(collate(split, rows)).tolist()]
        assert len(losses) == 10 and losses == pytest.approx(expected, rel=1e-6)


def test_streamed_run_learns_and_repeats(shards: Path, encoder_folder: Path, tmp_path: Path, make_params: Make) -> None:
    params = make_params(train__stream=True, train__stream_buffer=4, train__epochs=14)
    runs = [_train(shards, encoder_folder, tmp_path / name, params) for name in ("one", "two")]
    assert _digests(runs[0].run) == _digests(runs[1].run)
    in_memory = _train(shards, encoder_folder, tmp_path / "whole", make_params(train__epochs=14))
    assert runs[0].dev.overall.f1 == in_memory.dev.overall.f1 == 1.0
    assert runs[0].step_losses != in_memory.step_losses


@pytest.mark.parametrize("message", ["no train sentences", "no train sentence holds an entity"])
def test_streamed_and_in_memory_runs_refuse_the_same_data(
    tmp_path: Path,
    write_shards: Make,
    sentences: list[Any],
    sentence: Make,
    encoder_folder: Path,
    make_params: Make,
    message: str,
) -> None:
    train_sentences = [] if message == "no train sentences" else [sentence("我们去北京")]
    shards = write_shards(tmp_path / "s", {"train": train_sentences, "dev": sentences})
    for stream in (False, True):
        with pytest.raises(InputDataError, match=message):
            _train(shards, encoder_folder, tmp_path / "run", make_params(train__stream=stream))
    with pytest.raises(ParameterError, match="folds need all sentences at once"):
        make_params(train__stream=True, train__folds=2, train__fold=1, train__test=False)


class RebuildingReporter(RecordingReporter):
    """A reporter that rebuilds the shards from other sentences when a given task starts."""

    def __init__(self, label: str, build: Callable[[], object]) -> None:
        super().__init__()
        self._label, self._build = label, build

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        if label == self._label:
            self._build()
        with super().task(label, total=total, unit=unit) as advance:
            yield advance


@pytest.mark.parametrize("label", ["epoch 1/2", "test"])
def test_rebuild_during_training_does_not_change_the_run(
    tmp_path: Path, write_shards: Any, sentences: list[Any], encoder_folder: Path, make_params: Any, label: str
) -> None:
    params = make_params(train__epochs=2, **PLAIN)
    splits = {"train": sentences, "dev": sentences[:3], "test": sentences[2:]}
    shards = write_shards(tmp_path / "shards", splits)
    body = (shards / "manifest.json").read_bytes()
    undisturbed = _train(shards, encoder_folder, tmp_path / "undisturbed", params)

    def build() -> None:
        write_shards(tmp_path / "other", {name: rows[:2] for name, rows in splits.items()})
        shutil.rmtree(shards)
        (tmp_path / "other").rename(shards)

    disturbed = _train(
        shards, encoder_folder, tmp_path / "disturbed", params, reporter=RebuildingReporter(label, build)
    )
    assert (shards / "manifest.json").read_bytes() != body
    assert disturbed.test == undisturbed.test and disturbed.history == undisturbed.history
    expected_files, files = (
        {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
        for run in (tmp_path / "undisturbed", tmp_path / "disturbed")
    )
    assert expected_files == files and expected_files["checkpoint/shards/manifest.json"] == body


def test_shards_rebuilt_after_the_check_are_refused(
    tmp_path: Path, write_shards: Any, sentences: list[Any], encoder_folder: Path, make_params: Any
) -> None:
    shards = write_shards(tmp_path / "shards", {"train": sentences, "dev": sentences})
    with pytest.raises(StaleArtifactError, match="rebuilt since it was checked"):
        train(
            shards=shards,
            encoder=encoder_folder,
            run=tmp_path / "run",
            params=make_params(train__epochs=1, **PLAIN),
            reporter=Silent(),
            shards_digest="0" * 64,
        )
    assert not (tmp_path / "run").exists()

"""Adapt a tiny encoder from start to finish."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ssmi.model.adaptation.adapt import Parent, adapt
from ssmi.model.adaptation.record import RECORD, REVISION, Adaptation
from ssmi.model.network import encoder as encoders
from ssmi.model.runs import json_files
from ssmi.model.training.train import train
from ssmi.pipeline.contract.errors import DivergedError, MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.progress import Silent
from tests.reporters import RecordingReporter

Make = Callable[..., Any]
Run = Callable[..., Adaptation]
WORDS = ("北京", "上海", "广州", "深圳", "大学", "工作", "学习", "公园", "人民", "看见")


@pytest.fixture(scope="module")
def text_shards(tmp_path_factory: pytest.TempPathFactory, write_shards: Make, sentence: Make) -> Path:
    """Shards of sentences built from two-character words, so that masked characters can be predicted."""
    random = np.random.default_rng(8)
    texts = ["".join(random.choice(WORDS, size=size)) for size in random.integers(3, 8, size=120).tolist()]
    sentences = [sentence(f"[{text[:2]}|LOC]{text[2:]}") for text in texts]
    folder = tmp_path_factory.mktemp("text") / "shards"
    path: Path = write_shards(folder, {"train": sentences[:80], "dev": sentences[80:100], "test": sentences[100:]})
    return path


@pytest.fixture
def run(text_shards: Path, encoder_folder: Path, tmp_path: Path, make_params: Make) -> Run:
    def start(
        name: str = "out",
        *,
        shards: Path = text_shards,
        encoder: Path = encoder_folder,
        reporter: Any = None,
        **changes: Any,
    ) -> Adaptation:
        return adapt(
            shards=shards,
            dataset="tiny",
            parent=Parent(encoder, "bert", "digest-of-bert"),
            out=tmp_path / name,
            params=make_params(**{"train__lr_encoder": 3e-3, "train__lr_new": 1e-2, **changes}),
            reporter=reporter or Silent(),
        )

    return start


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_training_improves_held_out_predictions(run: Run) -> None:
    result = run(train__epochs=30, train__batch_size=8)
    assert result.new_head
    # ten words of two characters each: knowing only the character frequencies costs about log 18
    assert result.after.loss < 2.0 < result.before.loss
    assert result.after.accuracy > 0.4 > result.before.accuracy
    losses = [epoch.held_out.loss for epoch in result.epochs]
    assert losses[-1] < losses[0] and result.epochs[-1].loss < result.epochs[0].loss


def test_output_folder_holds_encoder_and_record(
    run: Run, tmp_path: Path, text_shards: Path, encoder_folder: Path
) -> None:
    reporter = RecordingReporter()
    result = run(reporter=reporter)
    folder = tmp_path / "out"
    assert sorted(_digests(folder)) == ["adaptation.json", "config.json", "model.safetensors", "vocab.txt"]
    assert json_files.read(folder / RECORD, Adaptation) == result
    body = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    assert (body["revision"], body["parent"], body["parent_digest"]) == (REVISION, "bert", "digest-of-bert")
    assert body["n_sentences"] + body["n_held_out"] == 100 and len(body["epochs"]) == 2
    assert body["settings"] == {
        "epochs": 2,
        "batch_size": 4,
        "seed": 13,
        "lr": 3e-3,
        "lr_head": 1e-2,
        "precision": "fp32",
    }
    assert all(str(tmp_path).encode() not in path.read_bytes() for path in folder.iterdir())
    assert (folder / "vocab.txt").read_bytes() == (encoder_folder / "vocab.txt").read_bytes()
    before, after = (load_file(path / "model.safetensors") for path in (encoder_folder, folder))
    assert {name for name in after if name not in before} == {
        "cls.predictions.bias",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.dense.weight",
    }
    # all layers and the embeddings are trained
    assert all(after[name].dtype == torch.float32 for name in after)
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert unchanged == []
    assert all(task.total == task.done for task in reporter.tasks.values())
    assert [label for label in reporter.tasks if label.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert reporter.notes[0].startswith("before: held-out loss ") and "random weights" in reporter.notes[0]
    assert [note.split(":")[0] for note in reporter.notes[1:]] == ["epoch 1", "epoch 2"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_equal_inputs_give_equal_bytes(run: Run, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        torch.manual_seed(len(name))  # the random state left by earlier code must not matter
        run(name, train__seed=seed)
    one, two, other = (_digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one["model.safetensors"] != other["model.safetensors"]


CHANGED_VALUES: dict[str, Any] = {
    "batch_size": 7,
    "clip": 0.01,
    "epochs": 1,
    "lr_encoder": 1e-3,
    "lr_new": 1e-3,
    "precision": "bf16",
    "warmup": 0.5,
    "weight_decay": 0.9,
}


@pytest.mark.parametrize("name", CHANGED_VALUES)
def test_every_setting_changes_the_weights(run: Run, tmp_path: Path, name: str) -> None:
    run("usual")
    run("changed", **{f"train__{name}": CHANGED_VALUES[name]})
    default, changed = (_digests(tmp_path / name) for name in ("usual", "changed"))
    assert default["model.safetensors"] != changed["model.safetensors"]


def test_the_test_split_is_not_read(
    run: Run, tmp_path: Path, write_shards: Make, sentences: list[Any], sentence: Make
) -> None:
    for name, test in (("a", sentences), ("b", [sentence("看见人民")] * 7)):
        shards = write_shards(tmp_path / f"shards-{name}", {"train": sentences, "dev": sentences[:3], "test": test})
        run(name, shards=shards)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")


def test_the_number_of_threads_is_as_before(run: Run) -> None:
    before = torch.get_num_threads()
    run(train__epochs=1, train__threads=before + 1)
    assert torch.get_num_threads() == before


def test_adapted_encoder_can_be_trained_on(run: Run, tmp_path: Path, text_shards: Path, make_params: Make) -> None:
    run(train__epochs=1)
    all_layers, first_layer = encoders.load(tmp_path / "out"), encoders.load(tmp_path / "out", layers=1)
    assert all_layers.width == first_layer.width == 32
    losses = {}
    for name, params in (("all", make_params(train__epochs=1)), ("one", make_params(model__encoder_layers=1))):
        result = train(
            shards=text_shards, encoder=tmp_path / "out", run=tmp_path / name, params=params, reporter=Silent()
        )
        losses[name] = result.step_losses[0]
    assert losses["all"] != losses["one"]


def test_second_adaptation_continues_with_the_stored_head(run: Run, tmp_path: Path) -> None:
    first = run("first", train__epochs=10)
    second = run("second", encoder=tmp_path / "first", train__epochs=1)
    assert first.new_head and not second.new_head
    # a head that came with the encoder is trained at the encoder's rate
    assert second.settings.lr_head == second.settings.lr == 3e-3
    assert second.before.loss == pytest.approx(first.after.loss, abs=1e-5)  # the same sentences, the same masks
    assert second.before.loss < first.before.loss


def test_automatic_rates_follow_the_width(run: Run) -> None:
    result = run(train__epochs=1, train__lr_encoder="auto", train__lr_new="auto")
    assert (result.settings.lr, result.settings.lr_head) == (2e-4, 1e-3)


def test_every_encoder_type_is_adapted(
    run: Run, tmp_path: Path, text_shards: Path, write_typed_encoder: Make, encoder_folder: Path, encoder_type: str
) -> None:
    vocabulary = (encoder_folder / "vocab.txt").read_text(encoding="utf-8").split()
    write_typed_encoder(tmp_path / "typed", encoder_type, vocabulary)
    result = run(encoder=tmp_path / "typed", train__epochs=1)
    assert result.after.loss < result.before.loss
    # the written weights are the trained ones: the stored head predicts as before
    again = run("again", encoder=tmp_path / "out", train__epochs=1)
    assert not again.new_head and again.before.loss == pytest.approx(result.after.loss, abs=1e-4)


def test_encoder_without_a_mask_token_is_refused(run: Run, tmp_path: Path, write_encoder: Make) -> None:
    vocabulary = (write_encoder(tmp_path / "e") / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "e" / "vocab.txt").write_text(vocabulary.replace("[MASK]", "[unused1]"), encoding="utf-8")
    with pytest.raises(MissingResourceError, match=r"no \[MASK\].*a BERT"):
        run(encoder=tmp_path / "e")
    (tmp_path / "e" / "vocab.txt").write_text(vocabulary.replace("[MASK]", "<mask>"), encoding="utf-8")
    assert run(encoder=tmp_path / "e", train__epochs=1).new_head


def test_nan_loss_leaves_no_files(run: Run, tmp_path: Path, write_encoder: Make) -> None:
    broken = write_encoder(tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"][0] = torch.nan
    save_file(tensors, broken / "model.safetensors")
    with pytest.raises(DivergedError, match=r"epoch 1, step 1: loss nan.*a lower learning rate"):
        run(encoder=broken)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_shards_of_another_encoder_are_refused(
    run: Run, tmp_path: Path, write_shards: Make, sentences: list[Any]
) -> None:
    shards = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences}, statistics={"max_window": 510})
    with pytest.raises(StaleArtifactError, match="the encoder takes 30"):
        run(shards=shards)
    with pytest.raises(MissingResourceError, match="not built"):
        run(shards=tmp_path / "nowhere")

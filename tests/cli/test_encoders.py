"""Encoders on the command line: their type is printed, and the first command to open an unsupported type refuses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

import ssmi
from ssmi.model.data.shards import characters_of, open_shards
from ssmi.model.split_tagging import tag_split
from ssmi.pipeline.contract.progress import Silent


def _vocabulary(project: Any) -> list[str]:
    return (project.root / "encoder" / "vocab.txt").read_text(encoding="utf-8").splitlines()


def test_the_encoder_type_is_printed(built_once: Any) -> None:
    outcome = built_once.ssmi("data", "check", "--dataset", "tiny")
    assert outcome.code == 0, outcome.stderr
    assert "encoder encoder  (bert, 2 layers of width 32, up to 62 characters at once)" in outcome.stdout
    body = json.loads(built_once.ssmi("data", "check", "--dataset", "tiny", "--json").stdout)
    assert body["encoder"]["type"] == "bert" and "train" in body["splits"]
    doctor = built_once.ssmi("doctor")
    assert doctor.code == 0 and "encoder: bert, 2 layers of width 32" in doctor.stdout


@pytest.mark.parametrize("command", [("data", "check"), ("features", "embed"), ("features", "shards"), ("train",)])
def test_unsupported_types_are_refused_by_the_first_command_that_opens_them(
    project: Any, command: tuple[str, ...]
) -> None:
    path = project.root / "encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "gpt2"}))
    outcome = project.ssmi(*command, "--dataset", "tiny")
    assert outcome.code == 3
    assert "'gpt2' is none of the types" in outcome.stderr and "deberta-v2" in outcome.stderr
    assert "none of the types" in project.ssmi("doctor").stdout


def test_unknown_characters_are_refused_if_many_and_reported_if_few(project: Any) -> None:
    tokens = _vocabulary(project)
    chinese = [token for token in tokens if "\u4e00" <= token <= "\u9fff"]
    for n_kept, code in ((3, 3), (len(chinese) * 4 // 5, 0)):
        removed = set(chinese[n_kept:])
        lines = [f"[unused{number}]" if token in removed else token for number, token in enumerate(tokens)]
        (project.root / "encoder" / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        outcome = project.ssmi("features", "embed", "--dataset", "tiny")
        assert outcome.code == code
        assert "of the Chinese characters of tiny are unknown to it" in outcome.stderr


def test_an_encoder_with_narrow_embeddings_and_fewer_layers_can_be_trained_and_used(
    project: Any, write_typed_encoder: Callable[..., Any]
) -> None:
    """An ELECTRA with model.fusion: input, from raw text to entities; no step requires a BERT."""
    vocabulary = _vocabulary(project)
    shutil.rmtree(project.root / "encoder")
    write_typed_encoder(project.root / "encoder", "electra", vocabulary)
    project.build("--dataset", "tiny")
    steps = ("-S", "train.max_steps=2", "-S", "model.encoder_layers=2")
    trained = project.ssmi("train", "--dataset", "tiny", *steps)
    assert trained.code == 0, trained.stderr
    scored = project.ssmi("evaluate", "--dataset", "tiny")
    assert scored.code == 0, scored.stderr
    (project.root / "texts.txt").write_text("王小明在北京大学任教授。\n", encoding="utf-8")
    predicted = project.ssmi(
        "predict", "--run", str(project.root / "artifacts" / "train" / "tiny"), str(project.root / "texts.txt")
    )
    assert predicted.code == 0, predicted.stderr
    assert json.loads(predicted.stdout.splitlines()[0])["text"] == "王小明在北京大学任教授。"


def test_training_on_stored_states_of_a_roberta(project: Any, write_typed_encoder: Callable[..., Any]) -> None:
    vocabulary = _vocabulary(project)
    shutil.rmtree(project.root / "encoder")
    write_typed_encoder(project.root / "encoder", "roberta", vocabulary)
    project.build("--dataset", "tiny", "-S", "shards.hidden=true")
    manifest = json.loads((project.root / "artifacts" / "shards" / "tiny" / "manifest.json").read_text())
    assert manifest["report"]["statistics"]["max_window"] == 61
    frozen = ("-S", "shards.hidden=true", "-S", "model.encoder=frozen", "-S", "model.fusion=output")
    trained = project.ssmi("train", "--dataset", "tiny", *frozen, "-S", "train.max_steps=2")
    assert trained.code == 0, trained.stderr


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_training_the_upper_layers_only(project: Any, write_typed_encoder: Callable[..., Any], kind: str) -> None:
    """Text is tagged like the split; stored states of a ModernBERT must not include the norm after its last layer."""
    vocabulary = _vocabulary(project)
    shutil.rmtree(project.root / "encoder")
    write_typed_encoder(project.root / "encoder", kind, vocabulary)
    states = ["-S", "shards.hidden=true", "-S", "shards.hidden_layers=1"]
    options = [*states, "-S", "model.encoder=upper", "-S", "train.max_steps=12", "-S", "train.lr_encoder=1e-3"]
    project.build("--dataset", "tiny", *states)
    if kind == "modernbert":
        outcome = project.ssmi("train", "--dataset", "tiny", *options)
        assert (outcome.code, "-S shards.hidden_norm=false" in outcome.stderr) == (5, True), outcome.stderr
        options += ["-S", "shards.hidden_norm=false"]
        project.build("--dataset", "tiny", *states, "-S", "shards.hidden_norm=false")
    trained = project.ssmi("train", "--dataset", "tiny", *options)
    assert trained.code == 0, trained.stderr
    run = project.root / "artifacts" / "train" / "tiny"
    tagged = tag_split(
        run=run, shards=project.root / "artifacts/shards/tiny", split="test", device="cpu", reporter=Silent()
    )
    assert any(tagged.predicted.spans)
    texts = [
        "".join(characters) for characters in characters_of(open_shards(project.root / "artifacts/shards/tiny"), "test")
    ]
    tagger = ssmi.open_run(run)
    predicted = [[(entity.start, entity.end, entity.label) for entity in entities] for entities in tagger(texts)]
    assert predicted == [[(span.start, span.end, span.label) for span in spans] for spans in tagged.predicted.spans]

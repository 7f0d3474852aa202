"""What config.json must contain, how many characters each type takes, and which weights may be unused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.encoders.types import TYPES, check_loaded, encoder_shape, read_config, with_layers
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, StaleArtifactError

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "max_position_embeddings": 64,
    "vocab_size": 5,
    "pad_token_id": 0,
}

NO_MISMATCH: dict[str, list[Any]] = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
"""What transformers reports if all weights fit."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n", encoding="utf-8")
    return tmp_path


def _write(folder: Path, **changes: Any) -> None:
    body = {name: value for name, value in {**CONFIG, **changes}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(body))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": None}, "has no model_type"),
        ({"model_type": "gpt2"}, "'gpt2' is none of the types"),
        ({"model_type": ["bert"]}, "is none of the types"),
        ({"auto_map": {"AutoModel": "modeling.Own"}}, "auto_map asks for code"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"is_decoder": True}, "is_decoder"),
    ],
)
def test_unsupported_configs_are_refused_with_the_supported_types(changes: Any, message: str, folder: Path) -> None:
    _write(folder, **changes)
    with pytest.raises(InputDataError, match=message) as caught:
        encoder_shape(folder)
    assert all(name in caught.value.next_step for name in TYPES)


def test_missing_and_damaged_configs_are_refused(folder: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"config\.json: does not exist"):
        read_config(folder)
    for body in ("{", "[]", "\ufeff{}"):
        (folder / "config.json").write_text(body, encoding="utf-8")
        with pytest.raises(InputDataError, match=r"config\.json: not"):
            read_config(folder)
    (folder / "config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputDataError, match=r"config\.json: not JSON"):
        read_config(folder)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_the_maximum_window_depends_on_the_type(kind: str, folder: Path) -> None:
    _write(folder, model_type=kind)
    shape = encoder_shape(folder)
    after_padding = kind in ("roberta", "xlm-roberta")
    assert (shape.type, shape.max_positions, shape.max_window) == (kind, 64 - after_padding, 62 - after_padding)


def test_a_published_roberta_takes_510_characters(folder: Path) -> None:
    (folder / "vocab.txt").write_text("<s>\n<pad>\n</s>\n<unk>\n中\n", encoding="utf-8")
    for padding in (1, None):  # a config may omit the default of its type
        _write(folder, model_type="xlm-roberta", max_position_embeddings=514, pad_token_id=padding)
        assert encoder_shape(folder).max_window == 510


def test_a_roberta_with_another_padding_id_than_its_vocabulary_is_refused(folder: Path) -> None:
    _write(folder, model_type="roberta", pad_token_id=1)
    with pytest.raises(InputDataError, match=r"pad_token_id 1, but \[PAD\] is 0"):
        encoder_shape(folder)
    _write(folder, model_type="bert", pad_token_id=1)
    assert encoder_shape(folder).max_window == 62


def test_every_token_needs_an_embedding(folder: Path) -> None:
    _write(folder, vocab_size=64)
    assert encoder_shape(folder).n_tokens == 5
    _write(folder, vocab_size=4)
    with pytest.raises(InputDataError, match="vocab_size 4, but its vocabulary holds 5 tokens"):
        encoder_shape(folder)


def test_a_config_without_room_for_a_character_is_refused(folder: Path) -> None:
    _write(folder, max_position_embeddings=2)
    with pytest.raises(InputDataError, match="leaves no position"):
        encoder_shape(folder)


def test_with_layers_shortens_the_config() -> None:
    config = {**CONFIG, "layer_types": ["full_attention", "sliding_attention", "sliding_attention"]}
    assert with_layers(config, 1) == {**config, "num_hidden_layers": 1, "layer_types": ["full_attention"]}
    assert with_layers(CONFIG, 1) == {**CONFIG, "num_hidden_layers": 1}


@pytest.mark.parametrize(
    "name",
    [
        "cls.predictions.transform.dense.weight",
        "bert.pooler.dense.bias",
        "lm_head.layer_norm.weight",
        "discriminator_predictions.dense.weight",
        "lm_predictions.lm_head.bias",
        "decoder.weight",
        "head.norm.weight",
        "roberta.embeddings.position_ids",
        "encoder.layer.3.output.dense.weight",
        "layers.2.attn.Wqkv.weight",
    ],
)
def test_unused_heads_and_layers_are_accepted(name: str, tmp_path: Path) -> None:
    check_loaded(tmp_path, {**NO_MISMATCH, "unexpected_keys": [name]}, layers=2)


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.1.attention.self.distance_embedding.weight",
        "embeddings.task_type_embeddings.weight",
        "layers.1.adapter.weight",
        "crf.transitions",
    ],
)
def test_other_mismatched_weights_are_refused(name: str, tmp_path: Path) -> None:
    for names in ({"unexpected_keys": [name]}, {"missing_keys": [name]}, {"mismatched_keys": [(name, (1,), (2,))]}):
        with pytest.raises(StaleArtifactError, match=f"1 weight .*{name} first"):
            check_loaded(tmp_path, {**NO_MISMATCH, **names}, layers=2)
    with pytest.raises(StaleArtifactError):
        check_loaded(tmp_path, {**NO_MISMATCH, "unexpected_keys": ["encoder.layer.3.output.dense.weight"]}, layers=None)

"""The frozen encoder against transformers' own class for every type; wrong weights are refused when opened."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ssmi.pipeline.contract.encoders.types import TYPES, encoder_shape
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.frozen_encoder import FrozenEncoder

CHARACTERS = [chr(0x4E00 + index) for index in range(60)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]
POSITIONS = 40
WriteEncoder = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "encoder"


def _open(folder: Path, **options: Any) -> FrozenEncoder:
    return FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)), **options)


def _texts(longest: int) -> list[list[str]]:
    rng = random.Random(longest)
    return [rng.choices(CHARACTERS, k=length) for length in (longest, 1, 7, 20)]


@torch.inference_mode()
def _own_states(
    model_class: Any, folder: Path, text: list[str], **options: Any
) -> np.ndarray[Any, np.dtype[np.float32]]:
    model = model_class.from_pretrained(folder, dtype=torch.float32, **options).eval()
    ids = torch.tensor([[2, *(VOCABULARY.index(character) for character in text), 3]])
    states: np.ndarray[Any, np.dtype[np.float32]] = model(input_ids=ids).last_hidden_state[0, 1:-1].numpy()
    return states


def test_every_supported_type_is_tested(encoder_type: str) -> None:
    assert encoder_type in TYPES and len(TYPES) == 8


def test_states_equal_those_of_transformers(folder: Path, encoder_type: str, write_typed_encoder: WriteEncoder) -> None:
    model_class = write_typed_encoder(folder, encoder_type, VOCABULARY, positions=POSITIONS)
    encoder = _open(folder)
    after_padding = encoder_type in ("roberta", "xlm-roberta")
    assert encoder.max_window == POSITIONS - 2 - after_padding
    texts = _texts(encoder.max_window)
    for text, states in zip(texts, encoder.states(texts), strict=True):
        np.testing.assert_allclose(states, _own_states(model_class, folder, text), atol=1e-5)
        (alone,) = encoder.states([text])
        np.testing.assert_allclose(states, alone, atol=1e-5)


def test_states_of_the_first_layers(folder: Path, encoder_type: str, write_typed_encoder: WriteEncoder) -> None:
    model_class = write_typed_encoder(folder, encoder_type, VOCABULARY)
    text = _texts(12)[0]
    (states,) = _open(folder, layers=2).states([text])
    layers = {"num_hidden_layers": 2}
    if encoder_type == "modernbert":
        layers["layer_types"] = json.loads((folder / "config.json").read_text())["layer_types"][:2]
    np.testing.assert_allclose(states, _own_states(model_class, folder, text, **layers), atol=1e-5)
    assert np.abs(states - _open(folder).states([text])[0]).max() > 0.01


@pytest.mark.parametrize("encoder_type", ["modernbert", "bert"])
def test_states_of_the_first_layers_without_the_last_norm(
    folder: Path, encoder_type: str, write_typed_encoder: WriteEncoder
) -> None:
    """The states are the third layer's input; for a type without a final norm they equal the states with it."""
    model_class = write_typed_encoder(folder, encoder_type, VOCABULARY)
    text = _texts(12)[0]
    states = _open(folder, layers=2, last_norm=False).stored_states([text])[0]
    ids = torch.tensor([[2, *(VOCABULARY.index(character) for character in text), 3]])
    with torch.inference_mode():
        model = model_class.from_pretrained(folder).eval()
        expected = model(input_ids=ids, output_hidden_states=True).hidden_states[2][0].numpy()
    scale = np.abs(expected).max()
    assert np.abs(states.characters - expected[1:-1]).max() < 1e-3 * scale
    assert np.abs(states.specials[0] - expected[[0, -1]]).max() < 1e-3 * scale
    (normed,) = _open(folder, layers=2).stored_states([text])
    assert np.array_equal(normed.characters, states.characters) == (encoder_type == "bert")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_are_converted_to_float32(
    folder: Path, dtype: torch.dtype, write_typed_encoder: WriteEncoder
) -> None:
    model_class = write_typed_encoder(folder, "ernie", VOCABULARY)
    weights = folder / "model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(weights).items()}, weights)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": str(dtype).removeprefix("torch.")}))
    text = _texts(12)[0]
    (states,) = _open(folder).states([text])
    assert states.dtype == np.float32
    np.testing.assert_allclose(states, _own_states(model_class, folder, text), atol=1e-5)


def test_weights_are_read_from_several_files(folder: Path, write_typed_encoder: WriteEncoder) -> None:
    model_class = write_typed_encoder(folder, "bert", VOCABULARY)
    text = _texts(12)[0]
    expected = _own_states(model_class, folder, text)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    file_of = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(sorted(tensors))}
    for file in set(file_of.values()):
        save_file({name: tensors[name] for name, file_name in file_of.items() if file_name == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": file_of}))
    np.testing.assert_allclose(_open(folder).states([text])[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "extra_weight",
    [
        "cls.predictions.bias",
        "pooler.dense.weight",
        "lm_head.dense.weight",
        "classifier.weight",
        "qa_outputs.bias",
        "embeddings.position_ids",
    ],
)
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_weights_of_task_heads_are_ignored(
    folder: Path, extra_weight: str, prefix: str, write_typed_encoder: WriteEncoder
) -> None:
    model_class = write_typed_encoder(folder, "bert", VOCABULARY)
    text = _texts(12)[0]
    expected = _own_states(model_class, folder, text)
    weights = folder / "model.safetensors"
    tensors = {f"{prefix}{name}": tensor for name, tensor in load_file(weights).items()}
    head = (
        extra_weight
        if extra_weight.startswith(("cls", "lm_head", "classifier", "qa_outputs"))
        else prefix + extra_weight
    )
    tensors.setdefault(head, torch.ones(2, 2))
    save_file(tensors, weights)
    np.testing.assert_allclose(_open(folder).states([text])[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "1 weight is missing, encoder.layer.1.output.dense.weight first"),
        ("unexpected", "1 weight that no model of this type has, embeddings.task_type_embeddings.weight first"),
        ("one more layer", "no model of this type has"),
        ("another shape", "no usable safetensors weights|another shape"),
        ("another type", "are missing|have no place"),
    ],
)
def test_incompatible_weights_are_refused(
    folder: Path, damage: str, message: str, write_typed_encoder: WriteEncoder
) -> None:
    write_typed_encoder(folder, "bert", VOCABULARY)
    weights, path = folder / "model.safetensors", folder / "config.json"
    tensors, config = load_file(weights), json.loads(path.read_text())
    if damage == "missing":
        del tensors["encoder.layer.1.output.dense.weight"]
    elif damage == "unexpected":
        tensors["embeddings.task_type_embeddings.weight"] = torch.ones(3, 32)
    elif damage == "one more layer":
        config["num_hidden_layers"] = 2
    elif damage == "another shape":
        config["intermediate_size"] = 64
    else:
        config["model_type"] = "deberta-v2"
    save_file(tensors, weights)
    path.write_text(json.dumps(config))
    with pytest.raises(StaleArtifactError, match=message):
        _open(folder)


def test_a_roberta_read_as_a_bert_gives_other_states(folder: Path, write_typed_encoder: WriteEncoder) -> None:
    """The weights fit both types; only the type determines how positions are numbered."""
    write_typed_encoder(folder, "roberta", VOCABULARY)
    text = _texts(12)[0]
    (states,) = _open(folder).states([text])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert np.abs(_open(folder).states([text])[0] - states).max() > 0.1
    assert encoder_shape(folder).type == "bert"


def test_missing_sinusoids_of_a_roformer_are_computed(folder: Path, write_typed_encoder: WriteEncoder) -> None:
    model_class = write_typed_encoder(folder, "roformer", VOCABULARY)
    text = _texts(12)[0]
    expected = _own_states(model_class, folder, text)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    del tensors["encoder.embed_positions.weight"]
    save_file(tensors, weights)
    np.testing.assert_allclose(_open(folder).states([text])[0], expected, atol=1e-5)

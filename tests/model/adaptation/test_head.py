"""The head that predicts masked characters: its formula, and heads loaded from encoder folders."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from ssmi.model.adaptation.head import PREFIX, MaskedHead, head_for
from ssmi.model.network import encoder as encoders

Make = Callable[..., Any]


def test_head_equals_its_formula() -> None:
    torch.manual_seed(1)
    head = MaskedHead(width=6, embedding_width=4, n_tokens=9).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    states, embeddings = torch.randn(5, 6).double(), torch.randn(9, 4).double()
    output = head(states, embeddings).detach().numpy()
    weights = {name: tensor.numpy() for name, tensor in head.state_dict().items()}
    inner = states.numpy() @ weights["transform.dense.weight"].T + weights["transform.dense.bias"]
    inner = np.array([[0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in row] for row in inner])
    inner = (inner - inner.mean(axis=1, keepdims=True)) / np.sqrt(inner.var(axis=1, keepdims=True) + 1e-12)
    inner = inner * weights["transform.LayerNorm.weight"] + weights["transform.LayerNorm.bias"]
    np.testing.assert_allclose(output, inner @ embeddings.numpy().T + weights["bias"], atol=1e-10)


def test_encoder_without_a_head_gets_a_new_one(encoder_folder: Path) -> None:
    encoder = encoders.load(encoder_folder)
    torch.manual_seed(1)
    head, new = head_for(encoder, encoder_folder)
    assert new and head(torch.randn(2, 32), encoder.words.weight).shape == (2, len(encoder.words.weight))
    torch.manual_seed(1)
    again, _ = head_for(encoder, encoder_folder)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in head.state_dict().items())
    # the decoder shares the encoder's embeddings and is not a weight of the head
    assert sum(parameter.numel() for parameter in head.parameters()) == 32 * 32 + 3 * 32 + len(encoder.words.weight)


@pytest.fixture
def with_head(tmp_path: Path, write_encoder: Make) -> tuple[Path, BertForMaskedLM]:
    """A folder written by transformers' ``BertForMaskedLM``, and the model itself."""
    folder = write_encoder(tmp_path / "e")
    torch.manual_seed(7)
    model = BertForMaskedLM(BertConfig.from_json_file(folder / "config.json")).eval()
    with torch.no_grad():
        for name, parameter in model.cls.named_parameters():
            if "decoder" not in name:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder, model


def test_stored_head_predicts_as_transformers_does(with_head: tuple[Path, BertForMaskedLM]) -> None:
    folder, model = with_head
    encoder = encoders.load(folder).eval()
    head, new = head_for(encoder, folder)
    assert not new
    ids = torch.tensor([[2, 9, 4, 11, 3]])
    with torch.no_grad():
        expected = model(input_ids=ids).logits[0]
        states = encoder.bert(input_ids=ids).last_hidden_state[0]
        logits = head(states, encoder.words.weight)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("naming", ["roberta", "tensorflow", "half"])
def test_stored_heads_under_other_names_are_loaded(with_head: tuple[Path, BertForMaskedLM], naming: str) -> None:
    folder, _ = with_head
    expected = head_for(encoders.load(folder), folder)[0].state_dict()
    tensors = load_file(folder / "model.safetensors")
    if naming == "roberta":
        names = {"transform.dense": "dense", "transform.LayerNorm": "layer_norm"}
        renamed = {name: name.replace(PREFIX, "lm_head.") for name in tensors if name.startswith(PREFIX)}
        for old, new in names.items():
            renamed = {name: value.replace(old, new) for name, value in renamed.items()}
        tensors = {renamed.get(name, name): tensor for name, tensor in tensors.items()}
    elif naming == "tensorflow":
        endings = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for old, new in endings.items():
            tensors[f"{PREFIX}transform.{new}"] = tensors.pop(f"{PREFIX}transform.{old}")
    else:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    head, new_head = head_for(encoders.load(folder), folder)
    assert not new_head
    for name, tensor in head.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected[name], atol=2e-3 if naming == "half" else 0.0, rtol=1e-3)


@pytest.mark.parametrize("damage", ["missing", "wrong width"])
def test_unusable_stored_head_is_ignored(with_head: tuple[Path, BertForMaskedLM], damage: str) -> None:
    folder, _ = with_head
    tensors = load_file(folder / "model.safetensors")
    name = f"{PREFIX}transform.dense.weight"
    if damage == "missing":
        del tensors[name]
    else:
        tensors[name] = torch.zeros(3, 3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert head_for(encoders.load(folder), folder)[1]


def test_every_encoder_type_gets_a_head(tmp_path: Path, write_typed_encoder: Make, encoder_type: str) -> None:
    """Includes types whose embeddings are narrower than their states."""
    write_typed_encoder(tmp_path / "e", encoder_type, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"北京大学生"])
    encoder = encoders.load(tmp_path / "e")
    head, new = head_for(encoder, tmp_path / "e")
    assert new and head(torch.randn(3, encoder.width), encoder.words.weight).shape == (3, len(encoder.words.weight))

"""The encoder: the states of a plain BERT for any batch and windows, and clear errors for unusable folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network import encoder as encoders
from ssmi.model.network.cells import Specials
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, StaleArtifactError

CLS, SEP = 2, 3


def _batch(shards: Path, rows: list[int]) -> Batch:
    opened = open_shards(shards)
    return collate(
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True)), np.array(rows)
    )


def _plain(bert: BertModel, token_ids: list[int]) -> torch.Tensor:
    return bert(input_ids=torch.tensor([[CLS, *token_ids, SEP]])).last_hidden_state[0, 1:-1]


def _cls(bert: BertModel, token_ids: list[int]) -> torch.Tensor:
    return bert(input_ids=torch.tensor([[CLS, *token_ids, SEP]])).last_hidden_state[0, 0]


@torch.no_grad()
def test_states_equal_plain_bert_per_window(shards: Path, encoder_folder: Path, tiny_bert: BertModel) -> None:
    batch = _batch(shards, [9, 5, 4, 0])
    states, sentences = encoders.load(encoder_folder).eval()(batch)
    for index in range(len(batch.rows)):
        token_ids = batch.token_ids[index][batch.mask[index]].tolist()
        starts = [0, 14, 35] if index == 0 else [0]
        ends = [*starts[1:], len(token_ids)]
        expected = torch.cat([_plain(tiny_bert, token_ids[a:b]) for a, b in zip(starts, ends, strict=True)])
        torch.testing.assert_close(states[index, : len(token_ids)], expected, atol=1e-5, rtol=1e-5)
        assert not states[index, len(token_ids) :].any()
        windows = [_cls(tiny_bert, token_ids[a:b]) for a, b in zip(starts, ends, strict=True)]
        torch.testing.assert_close(sentences[index], torch.stack(windows).mean(0), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_windows_are_encoded_independently(
    tmp_path: Path, write_shards: Callable[..., Path], encoder_folder: Path, sentence: Any, tiny_bert: BertModel
) -> None:
    text = "我在[上海|LOC]工作，" * 4
    folder = write_shards(tmp_path / "s", {"train": [sentence(text), sentence(text, windows=(0, 10))]})
    batch = _batch(folder, [0, 1])
    states = encoders.load(encoder_folder).eval()(batch).states
    one_window = _plain(tiny_bert, batch.token_ids[0].tolist())
    torch.testing.assert_close(states[0], one_window, atol=1e-5, rtol=1e-5)
    assert (states[1] - one_window).abs().max() > 0.01  # windows do not see each other


@torch.no_grad()
def test_inputs_equal_to_the_embeddings_change_nothing(shards: Path, encoder_folder: Path) -> None:
    encoder = encoders.load(encoder_folder).eval()
    batch = _batch(shards, [9, 5, 4])
    plain, from_inputs = encoder(batch), encoder(batch, inputs=encoder.embed(batch.token_ids))
    assert torch.equal(plain.states, from_inputs.states) and torch.equal(plain.sentences, from_inputs.sentences)


def test_gradients_reach_the_inputs(shards: Path, encoder_folder: Path) -> None:
    encoder = encoders.load(encoder_folder)
    batch = _batch(shards, [9, 4])
    inputs = encoder.embed(batch.token_ids).detach().requires_grad_()
    encoder(batch, inputs=inputs).states.square().sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad.abs().sum(-1) > 0, batch.mask)


def test_half_precision_weights_become_float32(tmp_path: Path, write_encoder: Callable[..., Path]) -> None:
    encoder = encoders.load(write_encoder(tmp_path / "half", half=True))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_loading_prints_nothing(encoder_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    encoders.load(encoder_folder)
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_json_serves_as_vocabulary(tmp_path: Path, write_encoder: Callable[..., Path]) -> None:
    folder = write_encoder(tmp_path / "bert")
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split()
    ids = {token: number for number, token in enumerate(tokens)}
    added = [{"id": ids.pop(name), "content": name} for name in ("[CLS]", "[SEP]", "[PAD]")]
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": ids}, "added_tokens": added}))
    (folder / "vocab.txt").unlink()
    assert encoders.load(folder).specials == Specials(CLS, SEP, 0)


def test_description_rebuilds_the_network_and_names_no_path(tmp_path: Path, write_encoder: Callable[..., Path]) -> None:
    folder = write_encoder(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_name_or_path": str(folder)}))
    encoder = encoders.load(folder)
    encoder.describe(tmp_path / "copy")
    assert str(tmp_path) not in (tmp_path / "copy" / "config.json").read_text()
    rebuilt = encoders.build_untrained(tmp_path / "copy")
    rebuilt.load_state_dict(encoder.state_dict())
    assert rebuilt.specials == encoder.specials


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ("no folder", MissingResourceError, "config.json: does not exist"),
        ("no vocabulary", MissingResourceError, "no vocabulary file"),
        ("no weights", MissingResourceError, "no usable safetensors weights"),
        ("broken weights", StaleArtifactError, "no usable safetensors weights"),
        ("a weight too few", StaleArtifactError, "1 weight is missing, encoder.layer.1.output.dense.weight"),
        ("more tokens than embeddings", InputDataError, r"vocab_size \d+, but its vocabulary holds \d+ tokens"),
        ("no [SEP]", StaleArtifactError, r"has no \[SEP\]"),
        ("another type", InputDataError, "'gpt2' is none of the types"),
        ("no JSON", InputDataError, "not JSON"),
    ],
)
def test_unusable_folders_are_refused(
    tmp_path: Path, write_encoder: Callable[..., Path], damage: str, error: type[Exception], message: str
) -> None:
    drop = "encoder.layer.1.output.dense.weight" if damage == "a weight too few" else ""
    folder = write_encoder(tmp_path / "bert", drop=drop)
    config, vocabulary, weights = (folder / name for name in ("config.json", "vocab.txt", "model.safetensors"))
    if damage == "no folder":
        folder = tmp_path / "elsewhere"
    elif damage == "no vocabulary":
        vocabulary.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "broken weights":
        weights.write_bytes(weights.read_bytes()[:500])
    elif damage == "more tokens than embeddings":
        vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "多\n", encoding="utf-8")
    elif damage == "no [SEP]":
        vocabulary.write_text(vocabulary.read_text(encoding="utf-8").replace("[SEP]", "x"), encoding="utf-8")
    elif damage == "another type":
        config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "gpt2"}))
    elif damage == "no JSON":
        config.write_text("{")
    with pytest.raises(error, match=message):
        encoders.load(folder)


@torch.no_grad()
def test_only_the_first_layers_are_loaded(
    shards: Path, tmp_path: Path, encoder_folder: Path, tiny_bert: BertModel
) -> None:
    batch = _batch(shards, [4])
    encoder = encoders.load(encoder_folder, layers=1).eval()
    encoder.describe(tmp_path / "described")
    rebuilt = encoders.build_untrained(tmp_path / "described").eval()
    rebuilt.load_state_dict(encoder.state_dict())
    token_ids = [CLS, *batch.token_ids[0].tolist(), SEP]
    after_one = tiny_bert(input_ids=torch.tensor([token_ids]), output_hidden_states=True).hidden_states[1]
    for loaded in (encoder, rebuilt):
        torch.testing.assert_close(loaded(batch).states, after_one[:, 1:-1], atol=1e-5, rtol=1e-5)


def test_too_many_layers_are_refused(encoder_folder: Path) -> None:
    with pytest.raises(ParameterError, match=r"encoder_layers: 3, but .* has 2.*at most -S model\.encoder_layers=2"):
        encoders.load(encoder_folder, layers=3)


@torch.no_grad()
def test_adapter_is_local_to_its_thread_and_removed_after_an_error(shards: Path, encoder_folder: Path) -> None:
    encoder = encoders.load(encoder_folder).eval()
    encoder.adapt_after(1, parameter="model.lexicon_layer")
    batch = _batch(shards, [9, 5, 4, 0])

    def shifted(amount: float) -> torch.Tensor:
        torch.set_num_threads(1)
        return encoder(batch, adapter=lambda states: states + amount * torch.arange(states.shape[-1])).states

    expected = [shifted(amount) for amount in (0.0, 0.1, 0.2, 0.3)]
    assert torch.equal(expected[0], encoder(batch).states) and not torch.equal(expected[1], expected[2])
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            results = list(pool.map(shifted, (0.0, 0.1, 0.2, 0.3)))
            assert all(torch.equal(result, reference) for result, reference in zip(results, expected, strict=True))
    with pytest.raises(ZeroDivisionError):
        encoder(batch, adapter=lambda states: states / (1 // 0))
    assert torch.equal(encoder(batch).states, expected[0])


def test_adapter_after_a_missing_layer_is_refused(encoder_folder: Path) -> None:
    with pytest.raises(ParameterError, match=r"lexicon_layer: 3, but the encoder has 2.*-S model\.lexicon_layer=2"):
        encoders.load(encoder_folder).adapt_after(3, parameter="model.lexicon_layer")

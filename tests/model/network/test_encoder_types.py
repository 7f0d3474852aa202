"""Every encoder type inside the network: transformers' own states, fused input, and reloaded checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.pipeline.contract.errors import StaleArtifactError

CLS, SEP = 2, 3
Write = Callable[..., Any]


@pytest.fixture
def typed(tmp_path: Path, encoder_type: str, encoder_folder: Path, write_typed_encoder: Write) -> tuple[Path, Any]:
    """An encoder folder of the given type, with the shards' vocabulary and no dropout, and transformers' own class."""
    vocabulary = (encoder_folder / "vocab.txt").read_text(encoding="utf-8").split()
    plain = {name: 0.0 for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")}
    folder = tmp_path / encoder_type
    return folder, write_typed_encoder(
        folder, encoder_type, vocabulary, **({} if encoder_type == "modernbert" else plain)
    )


def _batch(shards: Path, rows: list[int]) -> Batch:
    opened = open_shards(shards)
    required = RequiredFeatures(best=True, local=True, sets=True, negatives=True, segment_positions=True)
    return collate(read_split(opened, "train", boundaries=opened.boundaries, required=required), np.array(rows))


@torch.no_grad()
def test_states_and_sentences_equal_transformers(shards: Path, typed: tuple[Path, Any]) -> None:
    folder, model_class = typed
    batch = _batch(shards, [9, 5, 4, 0])
    encoder = encoders.load(folder).eval()
    states, sentences = encoder(batch)
    model = model_class.from_pretrained(folder).eval()
    for index in range(len(batch.rows)):
        token_ids = batch.token_ids[index][batch.mask[index]].tolist()
        starts = [0, 14, 35] if index == 0 else [0]
        windows = [token_ids[a:b] for a, b in zip(starts, [*starts[1:], len(token_ids)], strict=True)]
        states_of_windows = [
            model(input_ids=torch.tensor([[CLS, *window, SEP]])).last_hidden_state[0] for window in windows
        ]
        expected = torch.cat([window_states[1:-1] for window_states in states_of_windows])
        torch.testing.assert_close(states[index, : len(token_ids)], expected, atol=1e-5, rtol=1e-5)
        first = torch.stack([window_states[0] for window_states in states_of_windows]).mean(0)
        torch.testing.assert_close(sentences[index], first, atol=1e-5, rtol=1e-5)
    from_inputs = encoder(batch, inputs=encoder.embed(batch.token_ids))
    torch.testing.assert_close(from_inputs.states, states, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(from_inputs.sentences, sentences, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("layers", [None, 2])
def test_description_rebuilds_the_encoder(
    shards: Path, tmp_path: Path, typed: tuple[Path, Any], layers: int | None
) -> None:
    encoder = encoders.load(typed[0], layers=layers).eval()
    encoder.describe(tmp_path / "described")
    rebuilt = encoders.build_untrained(tmp_path / "described").eval()
    rebuilt.load_state_dict(encoder.state_dict())
    batch = _batch(shards, [9, 4])
    assert torch.equal(rebuilt(batch).states, encoder(batch).states)
    assert (rebuilt.width, rebuilt.input_width, rebuilt.max_window) == (
        encoder.width,
        encoder.input_width,
        encoder.max_window,
    )


@pytest.mark.parametrize("fusion", ["input", "layer", "output"])
def test_network_starts_from_the_encoder_states_and_learns(
    shards: Path, typed: tuple[Path, Any], fusion: str, make_params: Callable[..., Any]
) -> None:
    """P starts as the identity on E_c at any width, and gradients reach every trained parameter."""
    opened = open_shards(shards)
    params = make_params(model__fusion=fusion).model
    encoder = encoders.load(typed[0])
    network = build(
        params,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=encoder,
        hidden_width=None,
        n_tokens=opened.statistics.n_tokens,
    )
    batch = _batch(shards, [9, 5, 4, 0])
    torch.testing.assert_close(network.encode(batch).states, encoder(batch).states, atol=1e-5, rtol=1e-5)
    network(batch).mean().backward()
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None] == []
    if fusion == "layer":
        assert network.boundary_adapter is not None and network.boundary_adapter.norm.weight.grad is not None
        assert network.boundary_adapter.norm.weight.grad.all()
        return
    assert network.fusion is not None and network.fusion.boundaries.weight.grad is not None
    assert network.fusion.boundaries.weight.grad.abs().sum() > 0
    assert network.fusion.boundaries.weight.shape[0] == (encoder.input_width if fusion == "input" else encoder.width)


def test_type_that_does_not_match_the_weights_is_refused(tmp_path: Path, write_encoder: Callable[..., Path]) -> None:
    folder = write_encoder(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "roformer", "rotary_value": True}))
    with pytest.raises(StaleArtifactError, match="no model of this type has"):
        encoders.load(folder)


@torch.no_grad()
@pytest.mark.parametrize("layer", [1, 2])
def test_adapter_reads_its_layer_and_feeds_the_next(shards: Path, typed: tuple[Path, Any], layer: int) -> None:
    folder, model_class = typed
    batch = _batch(shards, [4])
    encoder = encoders.load(folder).eval()
    plain = encoder(batch)
    encoder.adapt_after(layer, parameter="model.lexicon_layer")
    assert torch.equal(encoder(batch).states, plain.states)
    inputs: list[torch.Tensor] = []

    def record(states: torch.Tensor) -> torch.Tensor:
        inputs.append(states)
        return states

    assert torch.equal(encoder(batch, adapter=record).states, plain.states)
    token_ids = torch.tensor([[CLS, *batch.token_ids[0].tolist(), SEP]])
    layers = model_class.from_pretrained(folder).eval()(input_ids=token_ids, output_hidden_states=True).hidden_states
    assert len(inputs) == 1
    # Some types normalise again after the last layer, and DeBERTa adds a convolution after its first.
    if layer < len(layers) - 1 and folder.name != "deberta-v2":
        torch.testing.assert_close(inputs[0], layers[layer], atol=1e-5, rtol=1e-5)
    moved = encoder(batch, adapter=lambda states: states.flip(1))
    assert (moved.states - plain.states).abs().max() > 1e-3
    assert torch.equal(encoder(batch).states, plain.states)

"""The path of a batch through the parts of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ssmi.configurations import CONFIGURATIONS, find
from ssmi.model.data.batches import collate
from ssmi.model.data.shards import Shards, open_shards, read_split
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import required_features

Make = Callable[..., Any]


@pytest.mark.parametrize("bf16", [False, True])
@torch.no_grad()
def test_training_starts_exactly_from_plain_bert(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, bf16: bool
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    assert batch.best_rows is not None and batch.best_rows.any()
    plain = make_network(opened, make_params(model__fusion="none"))
    for kind in ("input", "layer"):
        fused = make_network(opened, make_params(model__fusion=kind, model__boundary_roles=True))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            assert torch.equal(plain.encode(batch).states.float(), fused.encode(batch).states.float()), kind


@torch.no_grad()
def test_trained_fusion_changes_only_sentences_with_boundaries(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    network = make_network(opened, make_params(model__fusion="input"))
    before = network.encode(batch).states
    assert network.fusion is not None and batch.best_rows is not None
    torch.nn.init.normal_(network.fusion.boundaries.weight)
    moved = (network.encode(batch).states - before).abs().amax(-1) > 1e-4
    # Within BERT a boundary affects its whole window; sentences without a boundary stay unchanged.
    assert torch.equal(moved.any(1), (batch.best_rows > 0).any(1))
    assert moved[0][batch.mask[0]].all()


@torch.no_grad()
def test_adapter_after_the_last_layer_is_added_to_the_states(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    switches = {"model__boundary_roles": True, "model__cosine_gate": True}
    network = make_network(opened, make_params(model__fusion="layer", model__fusion_layer=2, **switches))
    randomize_zeros(network)
    assert network.encoder is not None and network.boundary is not None and network.boundary_adapter is not None
    assert batch.best_rows is not None and batch.cosine_gates is not None
    before, after = network.encoder(batch), network.encode(batch)
    best = network.boundary.table.weight[batch.best_rows] * batch.cosine_gates[..., None]
    added = network.boundary_adapter(best, batch.segment_positions, batch.boundary_roles)
    torch.testing.assert_close(after.states, before.states + added * batch.mask[..., None], atol=1e-5, rtol=1e-5)
    assert torch.equal(after.sentences, before.sentences), "[CLS] is unchanged"


@torch.no_grad()
def test_boundary_after_an_earlier_layer_changes_only_its_sentence(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    network = make_network(opened, make_params(model__fusion="layer", model__segment_positions=False))
    before = network.encode(batch)
    assert network.boundary_adapter is not None and batch.best_rows is not None
    torch.nn.init.normal_(network.boundary_adapter.norm.weight)
    after = network.encode(batch)
    moved = (after.states - before.states).abs().amax(-1) > 1e-4
    assert torch.equal(moved.any(1), (batch.best_rows > 0).any(1))
    assert moved[0][batch.mask[0]].all() and not torch.equal(after.sentences[0], before.sentences[0])


@torch.no_grad()
@pytest.mark.parametrize("fusion", ["input", "layer", "output"])
def test_a_gate_scales_the_best_boundary(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make, make_batch: Make, fusion: str
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    gated, plain = (
        make_network(opened, make_params(model__fusion=fusion, model__cosine_gate=gate)) for gate in (True, False)
    )
    randomize_zeros(plain)
    gated.load_state_dict(plain.state_dict())
    assert batch.best_rows is not None and batch.cosine_gates is not None
    open_, closed = (replace(batch, cosine_gates=value) for value in (batch.best_rows.gt(0).float(), torch.zeros(1, 1)))
    expected = plain.emissions(batch)
    assert torch.equal(gated.emissions(open_), expected)
    without = plain.emissions(replace(batch, best_rows=torch.zeros_like(batch.best_rows)))
    assert torch.equal(gated.emissions(closed), without) and not torch.equal(without, expected)


@torch.no_grad()
def test_batch_negatives_change_only_the_loss(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params(model__gmi="infonce-batch"))
    randomize_zeros(network)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required_features(network.params))
    assert split.negative_rows is None, "negatives are not read"
    batch, alone = (collate(split, np.array(rows)) for rows in ([0, 5, 4], [0]))
    together = network.emissions(batch)
    torch.testing.assert_close(together[:1, : alone.mask.shape[1]], network.emissions(alone), atol=1e-4, rtol=1e-4)
    losses = network(batch) - network.crf(together, batch.tag_ids, mask=batch.mask)
    assert losses[0] > 1e-3 and losses[1] == 0.0, "the second sentence has no set"
    torch.testing.assert_close(network(alone), network.crf(network.emissions(alone), alone.tag_ids, mask=alone.mask))


OPTIONAL_PARTS = {"model__boundary_roles": True, "model__cosine_gate": True}
"""Switches of parts that are not in the paper and are off by default."""


@pytest.mark.parametrize("fusion", ["input", "layer", "output"])
@pytest.mark.parametrize("positions", [True, False])
def test_optional_parts_learn_and_ignore_padding(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make, fusion: str, positions: bool
) -> None:
    params = make_params(model__fusion=fusion, model__segment_positions=positions, **OPTIONAL_PARTS)
    _assert_learns_and_ignores_padding(make_network(open_shards(shards), params), open_shards(shards), randomize_zeros)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("fusion", ["input", "output"])
def test_every_configuration_learns_and_ignores_padding(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make, name: str, fusion: str
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, find(name).apply(make_params(model__fusion=fusion)))
    _assert_learns_and_ignores_padding(network, opened, randomize_zeros)


def _assert_learns_and_ignores_padding(network: Network, opened: Shards, randomize_zeros: Make) -> None:
    randomize_zeros(network)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required_features(network.params))
    together = network(collate(split, np.arange(10)))
    alone = torch.cat([network(collate(split, np.array([row]))) for row in range(10)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-5)
    together.sum().backward()
    untrained = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert {name for name in untrained if not name.startswith(("encoder.bert.embeddings.", "crf."))} == set()


@torch.no_grad()
def test_each_kind_of_boundary_reaches_the_emissions(
    shards: Path, make_network: Make, make_params: Make, randomize_zeros: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params(**OPTIONAL_PARTS))
    randomize_zeros(network)
    batch = make_batch(opened)
    before = network.emissions(batch)
    for rows in ("best_rows", "local_rows", "set_rows", "segment_positions", "boundary_roles", "cosine_gates"):
        value = getattr(batch, rows)
        blanked = replace(batch, **{rows: torch.zeros_like(value)})
        assert (network.emissions(blanked) - before).abs().max() > 1e-4, rows
    assert batch.negative_rows is not None
    without = replace(batch, negative_rows=torch.zeros_like(batch.negative_rows))
    assert torch.equal(network.emissions(without), before)
    assert not torch.equal(network(without), network(batch))


@torch.no_grad()
@pytest.mark.parametrize("part", ["gru", "tags"])
def test_dropout_acts_once_after_each_perceptron(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, part: str
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params(model__dropout=0.3)).train()
    inputs: list[torch.Tensor] = []
    reader: torch.nn.Module = network.get_submodule(part)
    reader.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    batch = make_batch(opened)
    network(batch)
    zeros = (inputs[0][batch.mask] == 0).float().mean().item()
    assert zeros == pytest.approx(0.3, abs=0.02)


@torch.no_grad()
def test_global_loss_scales_with_its_weight(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    losses = [
        make_network(opened, make_params(model__gmi_weight=weight))(make_batch(opened)) for weight in (0.0, 0.1, 0.2)
    ]
    torch.testing.assert_close(losses[2] - losses[0], 2 * (losses[1] - losses[0]), atol=1e-4, rtol=1e-4)
    assert (losses[1] - losses[0]).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ["none", "output"])
@torch.no_grad()
def test_stored_states_give_the_emissions_of_the_encoder(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, fusion: str
) -> None:
    # Without global enhancement, whose sentence vector is [CLS] of a run encoder but the mean of stored states.
    opened = open_shards(shards)
    tuned, frozen = (
        make_network(opened, make_params(model__fusion=fusion, model__gmi="none", model__encoder=kind))
        for kind in ("finetune", "frozen")
    )
    assert frozen.encoder is None
    weights = {name: value for name, value in tuned.state_dict().items() if not name.startswith("encoder.")}
    frozen.load_state_dict(weights)
    batch = make_batch(opened)
    torch.testing.assert_close(frozen.emissions(batch), tuned.emissions(batch), atol=5e-3, rtol=0)


def test_emissions_are_float32_under_autocast(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.emissions(make_batch(opened)).dtype == torch.float32


def test_scores_of_spans_are_float32_under_autocast_and_learn(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network, batch = make_network(opened, find("span").apply(make_params())), make_batch(opened)
    exact = network.span_scores(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, losses = network.span_scores(batch), network(batch)
    assert rough.dtype == losses.dtype == torch.float32 and rough.shape == (10, 42, 4, 3)
    assert (rough - exact).abs().amax() < 0.1
    torch.testing.assert_close(losses, network(batch), rtol=0.05, atol=0.5)
    losses.sum().backward()
    assert network.span.scorer.bilinear.grad.dtype == torch.float32 and network.span.scorer.bilinear.grad.any()


@torch.no_grad()
@pytest.mark.parametrize("name", ["softlexicon", "softlexicon-no-encoder", "lebert"])
def test_words_reach_the_emissions(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, name: str
) -> None:
    opened = open_shards(shards)
    network, batch = make_network(opened, find(name).apply(make_params())), make_batch(opened)
    before = network.emissions(batch)
    assert batch.word_rows is not None and batch.word_roles is not None
    without = network.emissions(replace(batch, word_rows=torch.zeros_like(batch.word_rows)))
    # A BiLSTM and an encoder layer both spread words over their whole sentence, and to no other sentence.
    changed = (without - before).abs().amax(-1) > 1e-5
    assert torch.equal(changed.any(1), (batch.word_rows > 0).flatten(1).any(1))
    other = network.emissions(replace(batch, word_roles=(batch.word_roles + 1) % 4))
    assert torch.equal(other, before) is (name == "lebert")
    rows = ("best_rows", "local_rows", "set_rows", "segment_positions")
    assert torch.equal(network.emissions(replace(batch, **dict.fromkeys(rows))), before)


@torch.no_grad()
def test_words_are_added_in_the_window_of_their_character(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    """In a sentence of three windows, removing the words of the later windows leaves the first window unchanged."""
    opened = open_shards(shards)
    network, batch = make_network(opened, find("lebert").apply(make_params())), make_batch(opened)
    before = network.encode(batch).states[9]
    assert batch.word_rows is not None
    first = torch.zeros_like(batch.word_rows)
    first[9, :14] = batch.word_rows[9, :14]
    moved = (network.encode(replace(batch, word_rows=first)).states[9] - before).abs().amax(-1) > 1e-5
    assert batch.word_rows[9, 14:].any()
    windows = [moved[start:end].any().item() for start, end in ((0, 14), (14, 35), (35, 42))]
    words = [batch.word_rows[9, start:end].any().item() for start, end in ((0, 14), (14, 35), (35, 42))]
    assert windows == [False, *words[1:]]


@torch.no_grad()
@pytest.mark.parametrize("name", ["softlexicon", "lebert"])
def test_words_are_hidden_with_the_other_boundaries(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, name: str
) -> None:
    opened = open_shards(shards)
    params = find(name).apply(make_params(model__boundary_dropout=0.999999))
    network, batch = make_network(opened, params), make_batch(opened)
    assert batch.word_rows is not None
    expected = network(replace(batch, word_rows=torch.zeros_like(batch.word_rows)))
    assert not torch.allclose(network(batch), expected)
    torch.testing.assert_close(network.train()(batch), expected)

"""What a batch meets on its way through the parts."""

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
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.network.requirements import wanted

Make = Callable[..., Any]


@pytest.mark.parametrize("bf16", [False, True])
@torch.no_grad()
def test_training_starts_exactly_from_plain_bert(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, bf16: bool
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    assert batch.best_rows is not None and batch.best_rows.any()
    plain, fused = (make_network(opened, make_params(model__fusion=kind)) for kind in ("none", "input"))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        assert torch.equal(plain.encode(batch).states.float(), fused.encode(batch).states.float())


@torch.no_grad()
def test_a_trained_fusion_sees_boundaries_where_they_are(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    network = make_network(opened, make_params(model__fusion="input"))
    before = network.encode(batch).states
    assert network.fusion is not None and batch.best_rows is not None
    torch.nn.init.normal_(network.fusion.boundaries.weight)
    moved = (network.encode(batch).states - before).abs().amax(-1) > 1e-4
    # Within BERT a boundary reaches its whole window, and no sentence without one.
    assert torch.equal(moved.any(1), (batch.best_rows > 0).any(1))
    assert moved[0][batch.mask[0]].all()


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("fusion", ["input", "output"])
def test_every_part_of_every_configuration_learns_and_padding_changes_nothing(
    shards: Path, make_network: Make, make_params: Make, stir: Make, name: str, fusion: str
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, find(name).apply(make_params(model__fusion=fusion)))
    stir(network)
    split = read_split(opened, "train", boundaries=opened.boundaries, wanted=wanted(network.params))
    together = network(collate(split, np.arange(10)))
    alone = torch.cat([network(collate(split, np.array([row]))) for row in range(10)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-5)
    together.sum().backward()
    idle = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert {name for name in idle if not name.startswith(("encoder.bert.embeddings.", "crf."))} == set()


@torch.no_grad()
def test_each_kind_of_boundary_reaches_the_emissions(
    shards: Path, make_network: Make, make_params: Make, stir: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params())
    stir(network)
    batch = make_batch(opened)
    before = network.emissions(batch)
    for rows in ("best_rows", "local_rows", "set_rows", "segment_positions"):
        value = getattr(batch, rows)
        blanked = replace(batch, **{rows: torch.zeros_like(value)})
        assert (network.emissions(blanked) - before).abs().max() > 1e-4, rows
    assert batch.negative_rows is not None
    without = replace(batch, negative_rows=torch.zeros_like(batch.negative_rows))
    assert torch.equal(network.emissions(without), before)
    assert not torch.equal(network(without), network(batch))


@torch.no_grad()
@pytest.mark.parametrize("part", ["gru", "tags"])
def test_dropout_acts_once_behind_each_perceptron(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, part: str
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params(model__dropout=0.3)).train()
    seen: list[torch.Tensor] = []
    reader: torch.nn.Module = network.get_submodule(part)
    reader.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = make_batch(opened)
    network(batch)
    zeros = (seen[0][batch.mask] == 0).float().mean().item()
    assert zeros == pytest.approx(0.3, abs=0.02)


@torch.no_grad()
def test_the_global_loss_has_its_weight(shards: Path, make_network: Make, make_params: Make, make_batch: Make) -> None:
    opened = open_shards(shards)
    losses = [
        make_network(opened, make_params(model__gmi_weight=weight))(make_batch(opened)) for weight in (0.0, 0.1, 0.2)
    ]
    torch.testing.assert_close(losses[2] - losses[0], 2 * (losses[1] - losses[0]), atol=1e-4, rtol=1e-4)
    assert (losses[1] - losses[0]).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ["none", "output"])
@torch.no_grad()
def test_stored_states_do_what_the_encoder_does(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, fusion: str
) -> None:
    # Without global enhancement: its sentence vector is [CLS] where there is one, the mean of the states where not.
    opened = open_shards(shards)
    tuned, frozen = (
        make_network(opened, make_params(model__fusion=fusion, model__gmi="none", model__encoder=kind))
        for kind in ("finetune", "frozen")
    )
    assert frozen.encoder is None
    kept = {name: value for name, value in tuned.state_dict().items() if not name.startswith("encoder.")}
    frozen.load_state_dict(kept)
    batch = make_batch(opened)
    torch.testing.assert_close(frozen.emissions(batch), tuned.emissions(batch), atol=5e-3, rtol=0)


def test_emissions_are_float32_under_autocast(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.emissions(make_batch(opened)).dtype == torch.float32

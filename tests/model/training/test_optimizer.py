"""The learning rate of each parameter group, and its schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.model.data.shards import open_shards
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.training.optimizer import build_optimizer, build_schedule


@pytest.fixture
def network(shards: Path, encoder_folder: Path, make_params: Callable[..., Any]) -> Network:
    opened = open_shards(shards)
    return build(
        make_params().model,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=encoders.load(encoder_folder),
        hidden_width=None,
        n_tokens=opened.statistics.n_tokens,
    )


def test_each_group_has_its_rate_and_decay(network: Network, make_params: Callable[..., Any]) -> None:
    rates = {"train__lr_encoder": 1.0, "train__lr_new": 2.0, "train__lr_crf": 3.0, "train__lr_boundaries": 4.0}
    params = make_params(**rates, train__weight_decay=0.5).train
    settings = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in build_optimizer(network, params).param_groups
        for parameter in group["params"]
    }
    settings_of = {name: settings[id(parameter)] for name, parameter in network.named_parameters()}
    assert settings_of["encoder.bert.encoder.layer.0.output.dense.weight"] == (1.0, 0.5)
    assert settings_of["encoder.bert.encoder.layer.0.output.dense.bias"] == (1.0, 0.0)
    assert settings_of["encoder.bert.embeddings.LayerNorm.weight"] == (1.0, 0.0)
    assert settings_of["fusion.characters.weight"] == (1.0, 0.5)
    assert settings_of["fusion.boundaries.weight"] == (2.0, 0.5)
    assert settings_of["boundary.table.weight"] == (4.0, 0.0)
    assert settings_of["tags.weight"] == (2.0, 0.5)
    assert settings_of["tags.bias"] == (2.0, 0.0)
    assert {value for name, value in settings_of.items() if name.startswith("crf.")} == {(3.0, 0.0)}


def test_fusion_uses_the_new_rate_without_a_tuned_encoder(network: Network, make_params: Callable[..., Any]) -> None:
    network.encoder = None
    rates = {group["lr"] for group in build_optimizer(network, make_params(train__lr_encoder=7.0).train).param_groups}
    assert 7.0 not in rates


def test_frozen_parameters_are_left_out(network: Network, make_params: Callable[..., Any]) -> None:
    assert network.boundary is not None
    network.boundary.requires_grad_(False)
    optimizer = build_optimizer(network, make_params().train)
    ids = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert id(network.boundary.table.weight) not in ids
    assert len(ids) == sum(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("total", "warmup"), [(10, 0.2), (10, 0.0), (1, 0.0), (3, 0.9)])
def test_the_rate_rises_then_falls_and_is_never_zero(total: int, warmup: float) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = build_schedule(optimizer, total=total, warmup=warmup)
    rates = []
    for _ in range(total):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    peak = int(total * warmup)
    assert rates[peak] == 1.0
    assert all(rate > 0 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    falls = [left - right for left, right in zip(rates[peak:], rates[peak + 1 :], strict=False)]
    assert falls == pytest.approx(falls[:1] * len(falls))
    assert schedule.get_last_lr() == [0.0]

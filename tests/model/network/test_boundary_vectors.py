"""Boundary lookup: which vectors are read, and which ones boundary dropout hides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.model.data.shards import open_shards
from ssmi.model.network.boundary_vectors import BoundaryVectors, look_up

Make = Callable[..., Any]

ROWS = ("best_rows", "local_rows", "set_rows", "negative_rows")


@torch.no_grad()
@pytest.mark.parametrize("negatives", [True, False])
def test_each_row_becomes_its_vector(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, negatives: bool
) -> None:
    opened = open_shards(shards)
    network, batch = make_network(opened, make_params()), make_batch(opened)
    vectors = look_up(network.boundary, batch, params=network.params, negatives=negatives, training=False)
    table = network.boundary.table.weight
    assert vectors.best is not None and torch.equal(vectors.best, table[batch.best_rows])
    assert vectors.local is not None and torch.equal(vectors.local, table[batch.local_rows])
    assert vectors.sets is not None and torch.equal(vectors.sets, table[batch.set_rows])
    assert vectors.set_rows is not None and torch.equal(vectors.set_rows, batch.set_rows)
    assert vectors.roles is None
    assert (vectors.negatives is not None) == (vectors.negative_mask is not None) == negatives
    if vectors.negatives is not None and vectors.negative_mask is not None:
        assert torch.equal(vectors.negatives, table[batch.negative_rows])
        assert torch.equal(vectors.negative_mask, batch.negative_rows > 0)


def test_network_without_boundaries_looks_up_nothing(shards: Path, make_params: Make, make_batch: Make) -> None:
    batch = make_batch(open_shards(shards))
    assert look_up(None, batch, params=make_params().model, negatives=True, training=True) == BoundaryVectors()


@torch.no_grad()
def test_negatives_are_looked_up_only_for_losses_that_read_them(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network, batch = make_network(opened, make_params(model__gmi="infonce-batch")), make_batch(opened)
    vectors = look_up(network.boundary, batch, params=network.params, negatives=True, training=False)
    assert vectors.sets is not None and vectors.negatives is None and vectors.negative_mask is None


@torch.no_grad()
def test_best_boundary_has_its_role_and_is_scaled_by_its_gate(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, make_params(model__boundary_roles=True, model__cosine_gate=True))
    batch = make_batch(opened)
    gates = torch.rand(batch.mask.shape)
    batch = replace(batch, cosine_gates=gates)
    vectors = look_up(network.boundary, batch, params=network.params, negatives=False, training=False)
    assert vectors.roles is not None and torch.equal(vectors.roles, batch.boundary_roles) and vectors.roles.any()
    table = network.boundary.table.weight
    assert vectors.best is not None and torch.equal(vectors.best, table[batch.best_rows] * gates[..., None])
    assert vectors.local is not None and torch.equal(vectors.local, table[batch.local_rows])


@torch.no_grad()
@pytest.mark.parametrize("fusion", ["input", "layer"])
@pytest.mark.parametrize("roles", [False, True])
def test_hidden_boundary_equals_no_boundary(
    shards: Path,
    make_network: Make,
    make_params: Make,
    randomize_zeros: Make,
    make_batch: Make,
    fusion: str,
    roles: bool,
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    switches = {"model__fusion": fusion, "model__boundary_roles": roles}
    network = make_network(opened, make_params(model__boundary_dropout=0.999999, **switches))
    randomize_zeros(network)
    blank = {name: torch.zeros_like(getattr(batch, name)) for name in (*ROWS, "boundary_roles")}
    expected = network(replace(batch, **blank))
    assert not torch.equal(network(batch), expected)
    torch.testing.assert_close(network.train()(batch), expected)


@torch.no_grad()
def test_boundaries_are_hidden_character_by_character(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    opened = open_shards(shards)
    batch = make_batch(opened)
    network = make_network(opened, make_params(model__boundary_dropout=0.5)).train()
    inputs = []
    assert network.boundary is not None
    network.boundary.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    network(batch)
    (rows,) = inputs
    visible = [(ids > 0).flatten(2).any(-1) if ids.ndim > 2 else ids > 0 for ids in rows]
    batch_rows = [getattr(batch, name) for name in ROWS]
    present = [(ids > 0).flatten(2).any(-1) if ids.ndim > 2 else ids > 0 for ids in batch_rows]
    all_present = torch.stack(present).all(0)
    shares = torch.stack(visible)[:, all_present]
    assert (shares == shares[0]).all() and 0 < int(shares[0].sum()) < shares.shape[1]


@torch.no_grad()
def test_each_word_is_looked_up_once(shards: Path, make_network: Make, make_params: Make, make_batch: Make) -> None:
    opened = open_shards(shards)
    params = make_params(model__lexicon="softlexicon", model__fusion="none", model__lmi=False, model__gmi="none")
    network, batch = make_network(opened, params), make_batch(opened)
    vectors = look_up(network.boundary, batch, params=network.params, negatives=True, training=False)
    assert (
        vectors.words is not None
        and vectors.word_index is not None
        and vectors.best is vectors.local is vectors.sets is None
    )
    assert torch.equal(vectors.word_rows, batch.word_rows)
    assert torch.equal(vectors.words[vectors.word_index], network.boundary.table.weight[batch.word_rows])
    assert len(vectors.words) == len(batch.word_rows.unique()) < batch.word_rows.numel()

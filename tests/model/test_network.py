"""Assembly: where it starts from, and what it refuses to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model import encoder as encoders
from model.batches import Batch, collate
from model.data import Shards, open_shards, read_split
from model.network import Network, build, check_buildable, check_encoder
from pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError

Make = Callable[..., Any]


def _network(opened: Shards, encoder_folder: Path, params: Any) -> Network:
    torch.manual_seed(0)
    encoder = encoders.load(encoder_folder) if params.model.encoder == "finetune" else None
    network = build(
        params.model,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=encoder,
        hidden_width=opened.hidden_width,
    )
    return network.eval()


def _batch(opened: Shards, *, hidden: bool = False) -> Batch:
    return collate(read_split(opened, "train", boundaries=opened.boundaries, hidden=hidden), np.arange(10))


@pytest.mark.parametrize("fusion", ["input", "output"])
@pytest.mark.parametrize("bf16", [False, True])
@torch.no_grad()
def test_training_starts_exactly_from_plain_bert(
    shards: Path, encoder_folder: Path, make_params: Make, fusion: str, bf16: bool
) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    assert batch.best_rows.any()
    states = {}
    for kind in ("none", fusion):
        network = _network(opened, encoder_folder, make_params(model__fusion=kind))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            states[kind] = network.states(batch)
    assert torch.equal(states["none"].float(), states[fusion].float())


@pytest.mark.parametrize("fusion", ["input", "output"])
@torch.no_grad()
def test_a_trained_fusion_sees_boundaries_where_they_are(
    shards: Path, encoder_folder: Path, make_params: Make, fusion: str
) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    network = _network(opened, encoder_folder, make_params(model__fusion=fusion))
    before = network.states(batch)
    assert network.fusion is not None
    torch.nn.init.normal_(network.fusion.boundaries.weight)
    moved = (network.states(batch) - before).abs().amax(-1) > 1e-4
    if fusion == "output":
        assert torch.equal(moved, batch.best_rows > 0)
    else:
        # Within BERT a boundary reaches its whole window, and no sentence without one.
        has_boundary = (batch.best_rows > 0).any(1)
        assert torch.equal(moved.any(1), has_boundary)
        assert moved[0][batch.mask[0]].all()


@torch.no_grad()
def test_neither_neighbours_nor_padding_change_a_sentence(
    shards: Path, encoder_folder: Path, make_params: Make
) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, hidden=False)
    network = _network(opened, encoder_folder, make_params())
    together = network(collate(split, np.arange(10)))
    alone = torch.cat([network(collate(split, np.array([row]))) for row in range(10)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("fusion", ["none", "output"])
@torch.no_grad()
def test_stored_states_do_what_the_encoder_does(
    shards: Path, encoder_folder: Path, make_params: Make, fusion: str
) -> None:
    opened = open_shards(shards)
    tuned = _network(opened, encoder_folder, make_params(model__fusion=fusion))
    frozen = _network(opened, encoder_folder, make_params(model__fusion=fusion, model__encoder="frozen"))
    assert frozen.encoder is None
    kept = {name: value for name, value in tuned.state_dict().items() if not name.startswith("encoder.")}
    frozen.load_state_dict(kept)
    batch = _batch(opened, hidden=True)
    torch.testing.assert_close(frozen.emissions(batch), tuned.emissions(batch), atol=5e-3, rtol=0)


def test_emissions_are_float32_under_autocast(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    network = _network(opened, encoder_folder, make_params())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network.emissions(_batch(opened)).dtype == torch.float32


def test_frozen_states_cannot_be_fused_before_bert(shards: Path, make_params: Make) -> None:
    params = make_params(model__encoder="frozen", model__fusion="input")
    with pytest.raises(ParameterError, match=r"model\.fusion=output.*model\.encoder=finetune"):
        check_buildable(params.model, open_shards(shards))


def test_frozen_needs_stored_states(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], make_params: Make
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}))
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        check_buildable(make_params(model__encoder="frozen", model__fusion="none").model, opened)
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, hidden=True)


def test_finetuning_needs_an_encoder(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    with pytest.raises(MissingResourceError, match="without its encoder"):
        build(
            make_params().model,
            labels=opened.labels,
            boundaries=opened.boundaries,
            encoder=None,
            hidden_width=opened.hidden_width,
        )


def test_shards_of_a_larger_encoder_are_refused(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], encoder_folder: Path
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}, statistics={"max_window": 510}))
    encoder = encoders.load(encoder_folder)
    with pytest.raises(StaleArtifactError, match="windows of 510 characters, but the encoder takes 30"):
        check_encoder(encoder, opened, largest_token_id=3)
    with pytest.raises(StaleArtifactError, match="token id 999"):
        check_encoder(encoder, opened, largest_token_id=999)

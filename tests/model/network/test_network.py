"""Assembly: where it starts from, and what it refuses to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ssmi.configurations import CONFIGURATIONS, find
from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import RequiredFeatures, Shards, open_shards, read_split
from ssmi.model.network import encoder as encoders
from ssmi.model.network.network import Network, build, check_buildable, check_encoder, wanted
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError

Make = Callable[..., Any]


def _network(opened: Shards, encoder_folder: Path, params: Any) -> Network:
    torch.manual_seed(0)
    encoder = encoders.load(encoder_folder) if params.model.encoder == "finetune" else None
    network = build(
        params.model,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=encoder,
        hidden_width=opened.statistics.hidden_width,
        n_tokens=opened.statistics.n_tokens,
    )
    return network.eval()


ROWS = ("best_rows", "local_rows", "set_rows", "negative_rows")
EVERYTHING = RequiredFeatures(best=True, local=True, sets=True, segment_positions=True, hidden=True)


def _batch(opened: Shards) -> Batch:
    return collate(read_split(opened, "train", boundaries=opened.boundaries, wanted=EVERYTHING), np.arange(10))


@pytest.mark.parametrize("bf16", [False, True])
@torch.no_grad()
def test_training_starts_exactly_from_plain_bert(
    shards: Path, encoder_folder: Path, make_params: Make, bf16: bool
) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    assert batch.best_rows is not None and batch.best_rows.any()
    plain, fused = (_network(opened, encoder_folder, make_params(model__fusion=kind)) for kind in ("none", "input"))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        assert torch.equal(plain.encode(batch).states.float(), fused.encode(batch).states.float())


@torch.no_grad()
def test_a_trained_fusion_sees_boundaries_where_they_are(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    network = _network(opened, encoder_folder, make_params(model__fusion="input"))
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
    shards: Path, encoder_folder: Path, make_params: Make, name: str, fusion: str
) -> None:
    opened = open_shards(shards)
    network = _network(opened, encoder_folder, find(name).apply(make_params(model__fusion=fusion)))
    _stir(network)
    split = read_split(opened, "train", boundaries=opened.boundaries, wanted=wanted(network.params))
    together = network(collate(split, np.arange(10)))
    alone = torch.cat([network(collate(split, np.array([row]))) for row in range(10)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-5)
    together.sum().backward()
    idle = {
        name for name, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    }
    assert {name for name in idle if not name.startswith(("encoder.bert.embeddings.", "crf."))} == set()


def _stir(network: Network) -> None:
    """What starts as zero hides what lies before it: stir it as training would."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)


def test_without_any_part_it_is_bert_crf(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    network = _network(open_shards(shards), encoder_folder, find("bert-crf").apply(make_params()))
    new = {name for name, _ in network.named_parameters() if not name.startswith("encoder.")}
    assert {name.split(".")[0] for name in new} == {"tags", "crf"}


@pytest.mark.parametrize("name", sorted(set(CONFIGURATIONS) - {"ssmi", "no-cosine"}))
def test_an_ablation_lacks_what_its_name_says(shards: Path, encoder_folder: Path, make_params: Make, name: str) -> None:
    opened = open_shards(shards)
    parts = {
        "no-can": "can",
        "no-gru": "gru",
        "no-mlp1": "mlp1",
        "no-mlp2": "mlp2",
        "no-layer-norm": "norm",
        "no-biaffine": "biaffine",
        "no-gmi": "information",
        "char-max": "information",
        "no-bert": "encoder",
        "bert-crf": "fusion",
    }
    whole, lacking = (_network(opened, encoder_folder, find(each).apply(make_params())) for each in ("ssmi", name))
    if name in parts:
        assert getattr(whole, parts[name]) is not None and getattr(lacking, parts[name]) is None
    if name == "no-segment-positions":
        assert whole.fusion is not None and whole.fusion.segment_positions is not None
        assert lacking.fusion is not None and lacking.fusion.segment_positions is None
    if name in ("no-lmi", "char-max"):
        assert wanted(whole.params).local and not wanted(lacking.params).local


@torch.no_grad()
def test_each_kind_of_boundary_reaches_the_emissions(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    network = _network(opened, encoder_folder, make_params())
    _stir(network)
    batch = _batch(opened)
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
    shards: Path, encoder_folder: Path, make_params: Make, part: str
) -> None:
    opened = open_shards(shards)
    network = _network(opened, encoder_folder, make_params(model__dropout=0.3)).train()
    seen: list[torch.Tensor] = []
    reader: torch.nn.Module = network.get_submodule(part)
    reader.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = _batch(opened)
    network(batch)
    zeros = (seen[0][batch.mask] == 0).float().mean().item()
    assert zeros == pytest.approx(0.3, abs=0.02)


@torch.no_grad()
def test_a_hidden_boundary_looks_like_none(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    network = _network(opened, encoder_folder, make_params(model__boundary_dropout=0.999999))
    _stir(network)
    blank = {name: torch.zeros_like(getattr(batch, name)) for name in ROWS}
    expected = network(replace(batch, **blank))
    assert not torch.equal(network(batch), expected)
    torch.testing.assert_close(network.train()(batch), expected)


@torch.no_grad()
def test_boundaries_are_hidden_character_by_character(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    batch = _batch(opened)
    network = _network(opened, encoder_folder, make_params(model__boundary_dropout=0.5)).train()
    seen = []
    assert network.boundary is not None
    network.boundary.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(batch)
    (rows,) = seen
    kept = [(ids > 0).flatten(2).any(-1) if ids.ndim > 2 else ids > 0 for ids in rows]
    given = [getattr(batch, name) for name in ROWS]
    had = [(ids > 0).flatten(2).any(-1) if ids.ndim > 2 else ids > 0 for ids in given]
    everywhere = torch.stack(had).all(0)
    shares = torch.stack(kept)[:, everywhere]
    assert (shares == shares[0]).all() and 0 < int(shares[0].sum()) < shares.shape[1]


@torch.no_grad()
def test_the_global_loss_has_its_weight(shards: Path, encoder_folder: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    losses = [
        _network(opened, encoder_folder, make_params(model__gmi_weight=weight))(_batch(opened))
        for weight in (0.0, 0.1, 0.2)
    ]
    torch.testing.assert_close(losses[2] - losses[0], 2 * (losses[1] - losses[0]), atol=1e-4, rtol=1e-4)
    assert (losses[1] - losses[0]).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ["none", "output"])
@torch.no_grad()
def test_stored_states_do_what_the_encoder_does(
    shards: Path, encoder_folder: Path, make_params: Make, fusion: str
) -> None:
    # Without global enhancement: its sentence vector is [CLS] where there is one, the mean of the states where not.
    opened = open_shards(shards)
    tuned, frozen = (
        _network(opened, encoder_folder, make_params(model__fusion=fusion, model__gmi="none", model__encoder=kind))
        for kind in ("finetune", "frozen")
    )
    assert frozen.encoder is None
    kept = {name: value for name, value in tuned.state_dict().items() if not name.startswith("encoder.")}
    frozen.load_state_dict(kept)
    batch = _batch(opened)
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


@pytest.mark.parametrize("kind", ["frozen", "none"])
def test_layers_of_an_encoder_that_is_not_run_are_refused(shards: Path, make_params: Make, kind: str) -> None:
    params = make_params(model__encoder=kind, model__fusion="output", model__encoder_layers=1)
    with pytest.raises(ParameterError, match=f"encoder_layers: 1, but model.encoder: {kind} runs no encoder"):
        check_buildable(params.model, open_shards(shards))


def test_frozen_needs_stored_states(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], make_params: Make
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}))
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        check_buildable(make_params(model__encoder="frozen", model__fusion="none").model, opened)
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures(best=True, hidden=True))


def test_finetuning_needs_an_encoder(shards: Path, make_params: Make) -> None:
    opened = open_shards(shards)
    with pytest.raises(MissingResourceError, match="without its encoder"):
        build(
            make_params().model,
            labels=opened.labels,
            boundaries=opened.boundaries,
            encoder=None,
            hidden_width=opened.statistics.hidden_width,
            n_tokens=opened.statistics.n_tokens,
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

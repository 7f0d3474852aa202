"""The upper layers on stored states: for every type, the full encoder's output, and the parameters trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import Shards, open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_buildable, check_encoder
from ssmi.model.network.transformer_layers import layers_of
from ssmi.model.training.optimizer import build_optimizer
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError

CLS, SEP = 2, 3
WIDTH = 32
LAYERS = 3
ROWS = [9, 5, 4, 0]
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


@pytest.fixture
def opened(shards: Path) -> Shards:
    return open_shards(shards)


@torch.no_grad()
def _with_states(opened: Shards, model: Any, *, below: int, dtype: torch.dtype = torch.float16) -> Batch:
    """A batch with transformers' states after layer ``below``, in the shards' float16 or in a wider ``dtype``."""
    required = RequiredFeatures(best=True, local=True, sets=True, negatives=True, segment_positions=True)
    batch = collate(read_split(opened, "train", boundaries=opened.boundaries, required=required), np.array(ROWS))
    hidden = torch.zeros(*batch.mask.shape, WIDTH)
    specials: list[Tensor] = []
    for index in range(len(ROWS)):
        token_ids = batch.token_ids[index][batch.mask[index]].tolist()
        starts = [0, 14, 35] if index == 0 else [0]
        for start, end in zip(starts, [*starts[1:], len(token_ids)], strict=True):
            row = torch.tensor([[CLS, *token_ids[start:end], SEP]])
            states = model(input_ids=row, output_hidden_states=True).hidden_states[below][0].to(dtype).float()
            hidden[index, start:end] = states[1:-1]
            specials.append(states[[0, -1]])
    return replace(batch, hidden=hidden, special_states=torch.stack(specials))


def _network(opened: Shards, params: Any, encoder: encoders.Encoder) -> Network:
    return build(
        params.model,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=encoder,
        hidden_width=WIDTH,
        n_tokens=opened.statistics.n_tokens,
    )


@torch.no_grad()
@pytest.mark.parametrize(("below", "layers"), [(1, None), (2, None), (1, 2)])
def test_states_and_sentences_equal_the_full_encoder(
    opened: Shards, typed: tuple[Path, Any], below: int, layers: int | None
) -> None:
    """States agree to float16 precision for stored float16 states, and to float32 precision for float32 states."""
    folder, model_class = typed
    model = model_class.from_pretrained(folder).eval()
    upper = encoders.load(folder, layers=layers, below=below).eval()
    exact = _with_states(opened, model, below=below, dtype=torch.float32)
    expected = encoders.load(folder, layers=layers).eval()(exact)
    assert len(exact.windows.lengths.unique()) > 1  # windows are padded
    stored = _with_states(opened, model, below=below)
    for batch, tolerance in ((exact, 1e-5), (stored, 2e-3)):
        for result, reference in zip(upper(batch), expected, strict=True):
            assert (result - reference).abs().max() < tolerance * reference.abs().max()
    assert exact.special_states is not None
    without = upper(replace(exact, special_states=torch.zeros_like(exact.special_states)))
    assert (without.states - expected.states).abs().max() > 0.01 * expected.states.abs().max()


@torch.no_grad()
def test_description_rebuilds_the_upper_layers(opened: Shards, tmp_path: Path, typed: tuple[Path, Any]) -> None:
    """Only the upper layers' weights are needed."""
    folder, model_class = typed
    batch = _with_states(opened, model_class.from_pretrained(folder).eval(), below=1)
    upper = encoders.load(folder, below=1).eval()
    upper.describe(tmp_path / "described")
    rebuilt = encoders.build_untrained(tmp_path / "described", below=1).eval()
    rebuilt.load_state_dict(upper.state_dict())
    assert torch.equal(rebuilt(batch).states, upper(batch).states)
    assert (len(layers_of(rebuilt.bert)), len(layers_of(encoders.load(folder).bert))) == (2, LAYERS)
    assert not any("embeddings.word" in name or "tok_embeddings" in name for name in upper.state_dict())


@pytest.mark.parametrize("fusion", ["input", "output"])
def test_network_starts_from_the_upper_states_and_learns(
    opened: Shards, typed: tuple[Path, Any], fusion: str, make_params: Callable[..., Any]
) -> None:
    """P starts as the identity on the incoming states, and gradients reach every trained parameter."""
    folder, model_class = typed
    batch = _with_states(opened, model_class.from_pretrained(folder).eval(), below=1)
    params = make_params(model__encoder="upper", model__fusion=fusion)
    upper = encoders.load(folder, below=1).eval()
    network = _network(opened, params, upper)
    torch.testing.assert_close(network.encode(batch).states, upper(batch).states, atol=1e-5, rtol=1e-5)
    network(batch).mean().backward()
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None] == []
    assert network.fusion is not None and network.fusion.boundaries.weight.grad is not None
    assert network.fusion.boundaries.weight.grad.abs().sum() > 0
    assert network.fusion.boundaries.weight.shape[0] == WIDTH


def test_boundary_joins_the_incoming_states(
    opened: Shards, encoder_folder: Path, tiny_bert: Any, make_params: Callable[..., Any]
) -> None:
    """Changing P changes the layers' input, and so also the states of characters without a boundary."""
    batch = _with_states(opened, tiny_bert, below=1)
    network = _network(opened, make_params(model__encoder="upper"), encoders.load(encoder_folder, below=1).eval())
    before = network.encode(batch).states.detach()
    assert network.fusion is not None and batch.best_rows is not None
    torch.nn.init.normal_(network.fusion.boundaries.weight)
    changed = (network.encode(batch).states - before).abs().sum(-1) > 1e-4
    has_boundary = batch.best_rows.gt(0)
    assert has_boundary.any(1).tolist() == [True, False, True, True] and not has_boundary.all(1).any()
    # the first sentence has three windows, and the last of them has no boundary
    expected = batch.mask & has_boundary.any(1)[:, None] & (torch.arange(batch.mask.shape[1]) < 35)
    assert torch.equal(changed, expected)


@torch.no_grad()
@pytest.mark.parametrize(("below", "layer"), [(1, 1), (1, 2), (1, 3), (2, 2)])
def test_adapter_layer_numbers_match_the_full_encoder(
    opened: Shards, typed: tuple[Path, Any], below: int, layer: int
) -> None:
    """Layer numbers include the stored layers; after the last stored layer the adapter reads the incoming states."""
    folder, model_class = typed
    if (folder.name, layer) == ("deberta-v2", 1):
        pytest.skip("its convolution follows the first layer: stored states have passed it, an adapter there has not")
    batch = _with_states(opened, model_class.from_pretrained(folder).eval(), below=below, dtype=torch.float32)
    outputs = []
    for encoder in (encoders.load(folder, below=below), encoders.load(folder)):
        encoder.eval().adapt_after(layer, parameter="model.fusion_layer")
        outputs.append(encoder(batch, adapter=lambda states: states.flip(-1)))
    plain = encoders.load(folder).eval()(batch)
    assert (outputs[1].states - plain.states).abs().max() > 0.1
    torch.testing.assert_close(outputs[0].states, outputs[1].states, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("encoder_type", ["bert"])
def test_adapter_outside_the_run_layers_is_refused(typed: tuple[Path, Any]) -> None:
    upper = encoders.load(typed[0], below=2)
    with pytest.raises(ParameterError, match="but the encoder has 3"):
        upper.adapt_after(4, parameter="model.fusion_layer")
    with pytest.raises(ParameterError, match=r"layer 2 come from the shards.*at least -S model\.fusion_layer=2"):
        upper.adapt_after(1, parameter="model.fusion_layer")


def test_upper_layers_and_p_use_the_encoder_rate(
    opened: Shards, encoder_folder: Path, make_params: Callable[..., Any]
) -> None:
    params = make_params(model__encoder="upper", train__lr_encoder=0.25)
    network = _network(opened, params, encoders.load(encoder_folder, below=1))
    groups = build_optimizer(network, params.train).param_groups
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    at_encoder_rate = {name for name, parameter in network.named_parameters() if rates[id(parameter)] == 0.25}
    assert at_encoder_rate == {
        name for name, _ in network.named_parameters() if name.startswith(("encoder.", "fusion.characters."))
    }
    assert len(at_encoder_rate) == 16 + 2  # one BERT layer, and the character weights of P


def test_stored_states_of_the_last_layer_are_refused(encoder_folder: Path) -> None:
    with pytest.raises(ParameterError, match=r"after layer 2 of 2: none is left.*shards\.hidden_layers=1"):
        encoders.load(encoder_folder, below=2)
    with pytest.raises(ParameterError, match="after layer 1 of 1"):
        encoders.load(encoder_folder, layers=1, below=1)


def test_missing_stored_states_are_refused(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], make_params: Callable[..., Any]
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}))
    with pytest.raises(StaleArtifactError, match=r"which model\.encoder: upper reads.*-S shards\.hidden=true"):
        check_buildable(make_params(model__encoder="upper").model, opened)


@pytest.mark.parametrize("encoder_type", ["modernbert"])
@pytest.mark.parametrize("normed", [True, False])
def test_normalised_states_are_refused(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], typed: tuple[Path, Any], normed: bool
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences}, hidden=True, statistics={"hidden_norm": normed})
    opened, upper = open_shards(folder), encoders.load(typed[0], below=1)
    check_encoder(encoders.load(typed[0]), opened, largest_token_id=3)
    if not normed:
        check_encoder(upper, opened, largest_token_id=3)
        return
    with pytest.raises(StaleArtifactError, match=r"normalised by the layer norm.*-S shards\.hidden_norm=false"):
        check_encoder(upper, opened, largest_token_id=3)

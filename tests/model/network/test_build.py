"""Building networks: their parts, the parts' names, and the order in which weights are initialised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.configurations import CONFIGURATIONS, find
from ssmi.model.data.shards import open_shards
from ssmi.model.network.build import build
from ssmi.model.network.layers.bilstm import BiLSTM
from ssmi.model.network.requirements import required_features
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError

Make = Callable[..., Any]


def test_weights_have_the_names_that_stored_runs_give_them(shards: Path, make_network: Make, make_params: Make) -> None:
    opened = open_shards(shards)
    names = make_network(opened, make_params(model__fusion="input")).state_dict()
    assert list(dict.fromkeys(name.split(".")[0] for name in names)) == [
        *("encoder", "boundary", "fusion", "can", "mlp1", "gru", "norm", "information", "mlp2", "biaffine"),
        *("tags", "crf"),
    ]
    inside = make_network(opened, make_params(model__fusion="layer", model__boundary_roles=True)).state_dict()
    own = {name for name in inside if name.split(".")[0] == "boundary_adapter"}
    kinds = ("boundaries.weight", "segment_positions.weight", "boundary_roles.weight", "norm.weight", "norm.bias")
    assert own == {f"boundary_adapter.{kind}" for kind in kinds} and "fusion.boundaries.weight" not in inside
    characters = make_network(opened, make_params(model__encoder="none")).state_dict()
    assert {name.split(".")[0] for name in characters} - {name.split(".")[0] for name in names} == {"characters"}


@pytest.mark.parametrize(("part", "switch"), [("mlp2", False), ("biaffine", False), ("gru", False), ("can", False)])
def test_a_part_that_is_left_out_changes_no_weight_before_it(
    shards: Path, make_network: Make, make_params: Make, part: str, switch: bool
) -> None:
    opened = open_shards(shards)
    whole, lacking = (make_network(opened, make_params(**{f"model__{part}": on})).state_dict() for on in (True, switch))
    at = next(index for index, name in enumerate(whole) if name.startswith(f"{part}."))
    before = list(whole)[:at]
    assert before and all(torch.equal(whole[name], lacking[name]) for name in before)
    assert not torch.equal(whole["tags.weight"][:, :8], lacking["tags.weight"][:, :8])


def test_without_any_part_it_is_bert_crf(shards: Path, make_network: Make, make_params: Make) -> None:
    network = make_network(open_shards(shards), find("bert-crf").apply(make_params()))
    new = {name for name, _ in network.named_parameters() if not name.startswith("encoder.")}
    assert {name.split(".")[0] for name in new} == {"tags", "crf"}


@pytest.mark.parametrize("name", sorted(set(CONFIGURATIONS) - {"ssmi", "no-cosine"}))
def test_an_ablation_lacks_what_its_name_says(shards: Path, make_network: Make, make_params: Make, name: str) -> None:
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
    whole, lacking = (make_network(opened, find(each).apply(make_params())) for each in ("ssmi", name))
    if name in parts:
        assert getattr(whole, parts[name]) is not None and getattr(lacking, parts[name]) is None
    if name == "paper":
        assert whole.fusion is not None and whole.fusion.segment_positions is not None
        assert lacking.fusion is not None and lacking.fusion.segment_positions is None
    if name in ("no-lmi", "char-max"):
        assert required_features(whole.params).local and not required_features(lacking.params).local


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


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("softlexicon", {"encoder", "boundary", "lexicon", "gru"}),
        ("softlexicon-no-encoder", {"characters", "boundary", "lexicon", "gru"}),
        ("lebert", {"encoder", "boundary", "lexicon"}),
        ("segment-only", {"encoder", "boundary", "fusion"}),
        ("span", {"encoder", "gru", "span"}),
        ("bilstm-crf", {"characters", "gru"}),
        ("char-crf", {"characters"}),
    ],
)
def test_a_peer_has_its_parts_and_no_others(
    shards: Path, make_network: Make, make_params: Make, name: str, parts: set[str]
) -> None:
    network = make_network(open_shards(shards), find(name).apply(make_params()))
    head = set() if "span" in parts else {"tags", "crf"}
    assert {own for own, _ in network.named_children()} == {*parts, "dropout", *head}
    if "gru" in parts:
        assert isinstance(network.gru, BiLSTM) and network.gru.dropout.p == network.params.dropout


def test_a_span_head_takes_the_place_of_tags_and_crf_and_changes_no_weight_before_it(
    shards: Path, make_network: Make, make_params: Make
) -> None:
    opened = open_shards(shards)
    crf, span = (make_network(opened, make_params(model__head=head)) for head in ("crf", "span"))
    whole, other = crf.state_dict(), span.state_dict()
    kept = [name for name in whole if not name.startswith(("tags.", "crf."))]
    assert kept == [name for name in other if not name.startswith("span.")]
    assert all(torch.equal(whole[name], other[name]) for name in kept)
    assert crf.span is None and span.tags is None and span.crf is None
    params = make_params(model__head="span", model__span_width=6, model__span_smoothing=0.3)
    head = make_network(opened, params).span
    assert (head.scorer.longest, head.smoothing, head.distance) == (4, 0.3, 1)
    assert head.scorer.bilinear.shape == (len(opened.labels.entity_types) + 1, 6, 6)
    assert head.scorer.dropout.p == params.model.dropout


def test_an_adapter_behind_a_layer_that_there_is_not(shards: Path, make_network: Make, make_params: Make) -> None:
    params = make_params(model__lexicon="lebert", model__lexicon_layer=3)
    with pytest.raises(
        ParameterError, match=r"lexicon_layer: 3, but the encoder has 2 .*at most -S model\.lexicon_layer=2"
    ):
        make_network(open_shards(shards), params)

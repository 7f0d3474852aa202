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


def test_weight_names_match_stored_runs(shards: Path, make_network: Make, make_params: Make) -> None:
    opened = open_shards(shards)
    names = make_network(opened, make_params(model__fusion="input")).state_dict()
    assert list(dict.fromkeys(name.split(".")[0] for name in names)) == [
        *("encoder", "boundary", "fusion", "can", "mlp1", "gru", "norm", "information", "mlp2", "biaffine"),
        *("tags", "crf"),
    ]
    between_layers = make_network(opened, make_params(model__fusion="layer", model__boundary_roles=True)).state_dict()
    adapter_names = {name for name in between_layers if name.split(".")[0] == "boundary_adapter"}
    kinds = ("boundaries.weight", "segment_positions.weight", "boundary_roles.weight", "norm.weight", "norm.bias")
    assert (
        adapter_names == {f"boundary_adapter.{kind}" for kind in kinds}
        and "fusion.boundaries.weight" not in between_layers
    )
    characters = make_network(opened, make_params(model__encoder="none")).state_dict()
    assert {name.split(".")[0] for name in characters} - {name.split(".")[0] for name in names} == {"characters"}


@pytest.mark.parametrize("part", ["mlp2", "biaffine", "gru", "can"])
def test_omitted_part_changes_no_earlier_weight(shards: Path, make_network: Make, make_params: Make, part: str) -> None:
    opened = open_shards(shards)
    full, reduced = (make_network(opened, make_params(**{f"model__{part}": on})).state_dict() for on in (True, False))
    first = next(index for index, name in enumerate(full) if name.startswith(f"{part}."))
    before = list(full)[:first]
    assert before and all(torch.equal(full[name], reduced[name]) for name in before)
    assert not torch.equal(full["tags.weight"][:, :8], reduced["tags.weight"][:, :8])


def test_network_without_optional_parts_is_bert_crf(shards: Path, make_network: Make, make_params: Make) -> None:
    network = make_network(open_shards(shards), find("bert-crf").apply(make_params()))
    new = {name for name, _ in network.named_parameters() if not name.startswith("encoder.")}
    assert {name.split(".")[0] for name in new} == {"tags", "crf"}


@pytest.mark.parametrize("name", sorted(set(CONFIGURATIONS) - {"ssmi", "no-cosine"}))
def test_ablation_lacks_its_named_part(shards: Path, make_network: Make, make_params: Make, name: str) -> None:
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
    full, reduced = (make_network(opened, find(configuration).apply(make_params())) for configuration in ("ssmi", name))
    if name in parts:
        assert getattr(full, parts[name]) is not None and getattr(reduced, parts[name]) is None
    if name == "paper":
        assert full.fusion is not None and full.fusion.segment_positions is not None
        assert reduced.fusion is not None and reduced.fusion.segment_positions is None
    if name in ("no-lmi", "char-max"):
        assert required_features(full.params).local and not required_features(reduced.params).local


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
def test_baseline_has_only_its_parts(
    shards: Path, make_network: Make, make_params: Make, name: str, parts: set[str]
) -> None:
    network = make_network(open_shards(shards), find(name).apply(make_params()))
    head = set() if "span" in parts else {"tags", "crf"}
    assert {child for child, _ in network.named_children()} == {*parts, "dropout", *head}
    if "gru" in parts:
        assert isinstance(network.gru, BiLSTM) and network.gru.dropout.p == network.params.dropout


def test_span_head_replaces_tags_and_crf_without_changing_earlier_weights(
    shards: Path, make_network: Make, make_params: Make
) -> None:
    opened = open_shards(shards)
    crf, span = (make_network(opened, make_params(model__head=head)) for head in ("crf", "span"))
    crf_weights, span_weights = crf.state_dict(), span.state_dict()
    shared = [name for name in crf_weights if not name.startswith(("tags.", "crf."))]
    assert shared == [name for name in span_weights if not name.startswith("span.")]
    assert all(torch.equal(crf_weights[name], span_weights[name]) for name in shared)
    assert crf.span is None and span.tags is None and span.crf is None
    params = make_params(model__head="span", model__span_width=6, model__span_smoothing=0.3)
    head = make_network(opened, params).span
    assert (head.scorer.longest, head.smoothing, head.distance) == (4, 0.3, 1)
    assert head.scorer.bilinear.shape == (len(opened.labels.entity_types) + 1, 6, 6)
    assert head.scorer.dropout.p == params.model.dropout


def test_adapter_after_a_missing_layer_is_refused(shards: Path, make_network: Make, make_params: Make) -> None:
    params = make_params(model__lexicon="lebert", model__lexicon_layer=3)
    with pytest.raises(
        ParameterError, match=r"lexicon_layer: 3, but the encoder has 2 .*at most -S model\.lexicon_layer=2"
    ):
        make_network(open_shards(shards), params)

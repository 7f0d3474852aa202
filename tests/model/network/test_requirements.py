"""The features that a network reads for given parameters, and the combinations it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network import encoder as encoders
from ssmi.model.network.requirements import check_buildable, check_encoder, check_parameters, required_features
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import FeatureParameters

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fusion": "none", "lmi": False, "gmi": "none"}, RequiredFeatures()),
        ({"fusion": "output", "lmi": False, "gmi": "none"}, RequiredFeatures(best=True, segment_positions=True)),
        ({"fusion": "input", "segment_positions": False, "lmi": False, "gmi": "none"}, RequiredFeatures(best=True)),
        ({"fusion": "none", "lmi": True, "gmi": "none"}, RequiredFeatures(local=True)),
        ({"fusion": "none", "lmi": False, "gmi": "paper"}, RequiredFeatures(sets=True, negatives=True)),
        ({"fusion": "none", "lmi": False, "gmi": "infonce-batch"}, RequiredFeatures(sets=True)),
        (
            {"fusion": "layer", "segment_positions": False, "boundary_roles": True, "lmi": False, "gmi": "none"},
            RequiredFeatures(best=True, boundary_roles=True),
        ),
        (
            {"segment_positions": False, "cosine_gate": True, "lmi": False, "gmi": "none"},
            RequiredFeatures(best=True, cosine_gates=True),
        ),
        (
            {"fusion": "none", "boundary_roles": True, "cosine_gate": True, "lmi": False, "gmi": "none"},
            RequiredFeatures(),
        ),
        ({"fusion": "none", "lmi": False, "gmi": "none", "encoder": "frozen"}, RequiredFeatures(hidden=True)),
        (
            {"fusion": "none", "lmi": False, "gmi": "none", "lexicon": "softlexicon"},
            RequiredFeatures(matches=True),
        ),
        ({"fusion": "none", "lmi": False, "gmi": "none", "lexicon": "lebert"}, RequiredFeatures(matches=True)),
    ],
)
def test_each_switch_reads_its_features_and_no_others(
    make_params: Make, changes: dict[str, Any], expected: RequiredFeatures
) -> None:
    assert (
        required_features(make_params(**{f"model__{name}": value for name, value in changes.items()}).model) == expected
    )


def test_frozen_states_cannot_be_fused_before_bert(shards: Path, make_params: Make) -> None:
    params = make_params(model__encoder="frozen", model__fusion="input")
    with pytest.raises(ParameterError, match=r"model\.fusion=output.*model\.encoder=finetune"):
        check_buildable(params.model, open_shards(shards))


@pytest.mark.parametrize("kind", ["frozen", "none"])
def test_layers_of_an_encoder_that_is_not_run_are_refused(shards: Path, make_params: Make, kind: str) -> None:
    params = make_params(model__encoder=kind, model__fusion="output", model__encoder_layers=1)
    with pytest.raises(ParameterError, match=f"encoder_layers: 1, but model.encoder: {kind} runs no encoder"):
        check_buildable(params.model, open_shards(shards))


@pytest.mark.parametrize("kind", ["frozen", "none"])
def test_layer_fusion_needs_an_encoder_that_is_run(shards: Path, make_params: Make, kind: str) -> None:
    params = make_params(model__encoder=kind, model__fusion="layer")
    with pytest.raises(
        ParameterError,
        match=r"fusion: layer joins boundaries between encoder layers, but model\.encoder: \w+ runs none",
    ) as refused:
        check_buildable(params.model, open_shards(shards))
    assert "-S model.fusion=output" in refused.value.next_step


def test_layer_fusion_needs_an_existing_layer(shards: Path, make_network: Make, make_params: Make) -> None:
    opened = open_shards(shards)
    params = make_params(model__fusion="layer", model__fusion_layer=2, model__encoder_layers=1)
    with pytest.raises(ParameterError, match=r"fusion_layer: 2, but model\.encoder_layers: 1"):
        check_buildable(params.model, opened)
    check_buildable(make_params(model__fusion="input", model__fusion_layer=2, model__encoder_layers=1).model, opened)
    with pytest.raises(ParameterError, match="fusion_layer: 3, but the encoder has 2") as refused:
        make_network(opened, make_params(model__fusion="layer", model__fusion_layer=3))
    assert refused.value.next_step == "at most -S model.fusion_layer=2"


def test_a_gate_needs_sets(tmp_path: Path, write_shards: Make, sentences: list[Any], make_params: Make) -> None:
    features = {name: Params().section(name) for name in FeatureParameters.model_fields}
    features["selection"]["choice"] = "segment"
    folder = write_shards(tmp_path / "s", {"train": sentences}, statistics={"feature_parameters": features})
    opened = open_shards(folder)
    with pytest.raises(ParameterError, match="cosine_gate: true is 0 everywhere") as refused:
        check_buildable(make_params(model__cosine_gate=True).model, opened)
    assert "-S model.cosine_gate=false" in refused.value.next_step
    check_buildable(make_params(model__cosine_gate=True, model__fusion="none").model, opened)
    check_buildable(make_params().model, opened)


def test_frozen_needs_stored_states(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], make_params: Make
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}))
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        check_buildable(make_params(model__encoder="frozen", model__fusion="none").model, opened)
    with pytest.raises(StaleArtifactError, match=r"-S shards\.hidden=true"):
        read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True, hidden=True))


def test_shards_of_a_larger_encoder_are_refused(
    tmp_path: Path, write_shards: Callable[..., Path], sentences: list[Any], encoder_folder: Path
) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}, statistics={"max_window": 510}))
    encoder = encoders.load(encoder_folder)
    with pytest.raises(StaleArtifactError, match="windows of 510 characters, but the encoder takes 30"):
        check_encoder(encoder, opened, largest_token_id=3)
    with pytest.raises(StaleArtifactError, match="token id 999"):
        check_encoder(encoder, opened, largest_token_id=999)


def test_lexicon_adapter_needs_existing_layers(make_params: Make) -> None:
    frozen = make_params(model__lexicon="lebert", model__encoder="none", model__fusion="output")
    with pytest.raises(ParameterError, match=r"between encoder layers, but model\.encoder: none runs none"):
        check_parameters(frozen.model)
    low = make_params(model__lexicon="lebert", model__encoder_layers=2, model__lexicon_layer=3)
    with pytest.raises(ParameterError, match=r"lexicon_layer: 3, but model\.encoder_layers: 2 "):
        check_parameters(low.model)
    check_parameters(make_params(model__lexicon="lebert", model__encoder_layers=2, model__lexicon_layer=2).model)
    check_parameters(make_params(model__lexicon="softlexicon", model__encoder="none", model__lexicon_layer=3).model)


@pytest.mark.parametrize("lexicon", ["softlexicon", "lebert"])
def test_a_lexicon_needs_matches(
    tmp_path: Path, write_shards: Make, sentences: list[Any], make_params: Make, lexicon: str
) -> None:
    plain = open_shards(write_shards(tmp_path / "s", {"train": sentences}, matches=False))
    with pytest.raises(StaleArtifactError, match=rf"no matches, which model\.lexicon: {lexicon} reads.*matches=true"):
        check_buildable(make_params(model__lexicon=lexicon).model, plain)
    check_buildable(make_params().model, plain)

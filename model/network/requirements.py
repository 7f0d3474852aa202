"""Requirements of a network: the features it reads, consistent parameters, and a fitting encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssmi.model import encoder_defaults
from ssmi.model.data.shards import WITH_MATCHES, Shards
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import ModelParams
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics

if TYPE_CHECKING:  # checking parameters alone must not import transformers
    from ssmi.model.network.encoder import Encoder


def required_features(params: ModelParams) -> RequiredFeatures:
    """Return the features of the shards that a network with these parameters reads."""
    return RequiredFeatures(
        best=params.fusion != "none",
        local=params.lmi,
        sets=params.gmi != "none",
        negatives=params.gmi in ("paper", "infonce"),
        segment_positions=params.fusion != "none" and params.segment_positions,
        boundary_roles=params.fusion != "none" and params.boundary_roles,
        cosine_gates=params.fusion != "none" and params.cosine_gate,
        hidden=params.encoder in ("frozen", "upper"),
        special_states=params.encoder == "upper",
        matches=params.lexicon != "none",
    )


def layers_below(params: ModelParams, shards: ShardsStatistics) -> int:
    """Return the number of first encoder layers that are not in the network, because their states are stored."""
    return shards.hidden_layers or 0 if params.encoder == "upper" else 0


def check_parameters(params: ModelParams) -> None:
    """Check that parameters do not exclude each other; needs no shards.

    Raises:
        ParameterError: ``encoder: frozen`` with ``fusion: input``, both parts that change states between encoder
            layers, or layers of an encoder that is not run or has fewer.

    """
    _check_adapters(params, layers=params.encoder_layers if isinstance(params.encoder_layers, int) else None)
    if not params.trains_encoder and params.encoder_layers not in (None, "auto"):
        raise ParameterError(
            f"model.encoder_layers: {params.encoder_layers}, but model.encoder: {params.encoder} runs no encoder",
            next_step="-S model.encoder_layers=null, or -S model.encoder=finetune",
        )
    if params.encoder == "frozen" and params.fusion == "input":
        raise ParameterError(
            "model.fusion: input changes what BERT reads, but model.encoder: frozen never runs it",
            next_step="-S model.fusion=output (or none), or -S model.encoder=finetune",
        )


def _check_adapters(params: ModelParams, *, layers: int | None) -> None:
    """Check the parts that change states after an encoder layer: at most one, after a layer that is run.

    Args:
        params: The parameters of the network.
        layers: Number of layers that are run; None if it is unknown or all are.

    """
    behind_layer, lebert = params.fusion == "layer", params.lexicon == "lebert"
    if behind_layer and lebert:
        raise ParameterError(
            "model.fusion: layer and model.lexicon: lebert both change the states between two encoder layers",
            next_step="-S model.fusion=input (or output, none), or another model.lexicon",
        )
    if behind_layer:
        remedy = "-S model.fusion=output (or none)"
        _require_encoder(params, "fusion: layer joins boundaries", remedy=remedy)
        _check_layer(params, "fusion_layer", params.fusion_layer, layers)
    if lebert:
        _require_encoder(params, "lexicon: lebert adds words", remedy="-S model.lexicon=softlexicon")
        _check_layer(params, "lexicon_layer", params.lexicon_layer, layers)


def _require_encoder(params: ModelParams, part: str, *, remedy: str) -> None:
    """Check that an encoder is run, as a part between its layers requires; ``part`` describes the part in errors."""
    if not params.trains_encoder:
        raise ParameterError(
            f"model.{part} between encoder layers, but model.encoder: {params.encoder} runs none",
            next_step=f"{remedy}, or -S model.encoder=finetune",
        )


def _check_layer(params: ModelParams, name: str, layer: int, layers: int | None) -> None:
    """Check that ``layer``, the value of the parameter ``name``, is one of the layers that are run."""
    if layers is None or layer <= layers:
        return
    if params.encoder_layers is None:
        raise ParameterError(
            f"model.{name}: {layer}, but the encoder has {layers}", next_step=f"at most -S model.{name}={layers}"
        )
    auto = " (auto, for this encoder)" if params.encoder_layers == "auto" else ""
    raise ParameterError(
        f"model.{name}: {layer}, but model.encoder_layers: {layers}{auto}",
        next_step=f"at most -S model.{name}={layers}, or use more layers (-S model.encoder_layers)",
    )


def check_buildable(params: ModelParams, shards: Shards) -> None:
    """Check that a network can be built for shards, before anything large is loaded.

    Raises:
        ParameterError: See ``check_parameters``; also if there are more layers than the encoder has, or gates of
            boundaries that were chosen without sets.
        StaleArtifactError: The shards lack hidden states or matches that the network reads.

    """
    check_parameters(params)
    size = shards.statistics.encoder_size
    layers = encoder_defaults.layers_of(params, size)
    if params.trains_encoder and layers is not None and layers > size.layers:
        raise ParameterError(
            f"model.encoder_layers: {layers}, but the encoder of {shards.folder} has {size.layers}",
            next_step=f"at most -S model.encoder_layers={size.layers}",
        )
    _check_adapters(params, layers=size.layers if layers is None else layers)
    if required_features(params).cosine_gates and shards.statistics.feature_parameters.selection.choice == "segment":
        raise ParameterError(
            "model.cosine_gate: true is 0 everywhere with selection.choice: segment, which makes no sets",
            next_step="-S model.cosine_gate=false: a segment's cosine with itself is 1",
        )
    if params.lexicon != "none" and not shards.statistics.matches:
        raise StaleArtifactError(
            f"{shards.folder}: no matches, which model.lexicon: {params.lexicon} reads", next_step=WITH_MATCHES
        )
    if required_features(params).hidden and shards.statistics.hidden_width is None:
        raise StaleArtifactError(
            f"{shards.folder}: no hidden states, which model.encoder: {params.encoder} reads",
            next_step="build them with -S shards.hidden=true, or train with -S model.encoder=finetune",
        )


def check_encoder(encoder: Encoder, shards: Shards, *, largest_token_id: int) -> None:
    """Check that the encoder's vocabulary, window size and stored states fit the shards.

    Raises:
        StaleArtifactError: The encoder does not fit the shards.

    """
    if encoder.requires_unnormalised_states and shards.statistics.hidden_norm:
        raise StaleArtifactError(
            f"{shards.folder}: its states are normalised by the layer norm after the encoder's last layer",
            next_step="build them as the next layer reads them: -S shards.hidden_norm=false",
        )
    problem = ""
    if largest_token_id >= encoder.vocabulary_size:
        problem = f"token id {largest_token_id}, but the encoder knows {encoder.vocabulary_size}"
    elif shards.statistics.max_window > encoder.max_window:
        problem = f"windows of {shards.statistics.max_window} characters, but the encoder takes {encoder.max_window}"
    if problem:
        raise StaleArtifactError(
            f"{shards.folder}: {problem}", next_step="build the shards with the encoder that you train"
        )

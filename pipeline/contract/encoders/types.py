"""Which encoders are read, and what an encoder's config.json says; both halves ask here. No torch, no transformers.

An encoder is a folder with config.json, weights and a vocabulary. Its ``model_type`` names the class of transformers
that runs it; a type that is not in ``TYPES`` is refused, for its weights may well load into another class and mean
nothing there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.encoders.config_values import known_values
from ssmi.pipeline.contract.encoders.vocabulary import PAD, read_vocabulary
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.text.wording import counted, is_or_are

CONFIG = "config.json"
SPECIAL_TOKENS = 2
"""[CLS] in front and [SEP] at the end of what goes through an encoder."""
ANOTHER_ENCODER = "fetch it again, or name another with encoder.name"


@dataclass(frozen=True, slots=True)
class EncoderType:
    """What sets a ``model_type`` of transformers apart from the others."""

    name: str
    model_class: str
    """The class of transformers that runs it, taken by name: its Auto classes import more than that one needs."""
    positions_after_padding: int | None = None
    """Positions are counted from the one after pad_token_id, so that fewer can be used: the id that the type has where
    its config names none. None: positions are counted from 0."""
    sdpa: bool = True
    """Whether transformers computes its attention with torch's fused kernels; else plainly ("eager")."""
    pooler: bool = True
    """Whether the class takes ``add_pooling_layer``; the others have no pooler at all."""
    last_norm: str = ""
    """The module that normalises the output of the last layer, and no other's; empty for none."""

    @property
    def model_arguments(self) -> dict[str, Any]:
        """How transformers is asked for a model of this type: with the attention that it has, and without a pooler."""
        attention = {"attn_implementation": "sdpa" if self.sdpa else "eager"}
        return {**attention, "add_pooling_layer": False} if self.pooler else attention


_TYPES = (
    # max_position_embeddings rows of learned positions, from 0 (BertEmbeddings, ErnieEmbeddings, ElectraEmbeddings).
    EncoderType("bert", "BertModel"),
    EncoderType("ernie", "ErnieModel"),
    EncoderType("electra", "ElectraModel", pooler=False),
    # Rows up to padding_idx are never used: 514 rows are 512 positions (RobertaEmbeddings, create_position_ids_...).
    EncoderType("roberta", "RobertaModel", positions_after_padding=1),
    EncoderType("xlm-roberta", "XLMRobertaModel", positions_after_padding=1),
    # A table of max_position_embeddings sinusoids, rotated in (RoFormerSinusoidalPositionalEmbedding).
    EncoderType("roformer", "RoFormerModel", sdpa=False, pooler=False),
    # Relative positions; max_position_embeddings is the longest input that was trained (DebertaV2Embeddings).
    EncoderType("deberta-v2", "DebertaV2Model", sdpa=False, pooler=False),
    # Rotary positions, two layers of three local; max_position_embeddings as trained (ModernBertConfig).
    EncoderType("modernbert", "ModernBertModel", pooler=False, last_norm="final_norm"),
)
TYPES: Mapping[str, EncoderType] = {one.name: one for one in _TYPES}

_LONGEST_CONFIG = 1 << 24
"""Bytes: those of models with many thousand classes have a few hundred thousand."""
_SIZES = ("num_hidden_layers", "hidden_size", "max_position_embeddings", "vocab_size")

# What checkpoints carry beside the encoder, or what is computed and not learned; states do not depend on it.
_HEADS = (
    "cls",  # masked language model and next sentence: bert, ernie, roformer, deberta-v2
    "lm_head",  # roberta, xlm-roberta
    "pooler",
    "discriminator_predictions",  # electra
    "generator_predictions",
    "generator_lm_head",
    "lm_predictions",  # deberta-v2
    "mask_predictions",
    "head",  # modernbert
    "decoder",
    "classifier",  # of a model tuned for another task
    "qa_outputs",
)
COMPUTED = "encoder.embed_positions.weight"
"""roformer's sinusoids: a weight by name, which is computed and never trained."""
_HARMLESS = re.compile(
    rf"(?:\w+\.)?(?:{'|'.join(_HEADS)})\..+"
    r"|(?:\w+\.)?embeddings\.(?:position_ids|token_type_ids)"
    rf"|(?:\w+\.)?{re.escape(COMPUTED)}"
)
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The sizes that the pipeline plans with."""

    type: str
    """``model_type``: one of ``TYPES``."""
    n_layers: int
    width: int
    max_positions: int
    """Positions that can be used, [CLS] and [SEP] included."""
    n_tokens: int
    """Size of its vocabulary; there may be more embeddings."""

    @property
    def max_window(self) -> int:
        """The most characters it takes at once."""
        return self.max_positions - SPECIAL_TOKENS


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json of an encoder says of a type that is read: known keys alone, with values within bounds.

    Raises:
        MissingResourceError: There is none.
        InputDataError: It is damaged, without a type, of a type that is not read, asks for code that comes with it,
            or has a value that its key cannot have.
    """
    path = folder / CONFIG
    try:
        with path.open("rb") as stream:
            # One byte more than allowed tells a file that is too long, without reading all of it.
            body = stream.read(_LONGEST_CONFIG + 1)
        if len(body) > _LONGEST_CONFIG:
            raise ValueError(f"over {_LONGEST_CONFIG >> 20} MiB")
        config = json.loads(body.decode("utf-8"))
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: not there", next_step=ANOTHER_ENCODER) from error
    except (ValueError, RecursionError) as error:
        raise InputDataError(f"{path}: not JSON ({error})", next_step=ANOTHER_ENCODER) from error
    if not isinstance(config, dict):
        raise InputDataError(f"{path}: not a JSON object", next_step=ANOTHER_ENCODER)
    problem = _refused(config)
    if problem:
        raise InputDataError(f"{path}: {problem}", next_step=f"name an encoder of one of the types {', '.join(TYPES)}")
    try:
        return known_values(config)
    except ValueError as error:
        raise InputDataError(f"{path}: {error}", next_step=ANOTHER_ENCODER) from None


def _refused(config: Mapping[str, Any]) -> str:
    """Why an encoder with this config is not read; empty where it is."""
    kind = config.get("model_type")
    if kind is None:
        return "has no model_type, which says how its weights are to be read"
    if not isinstance(kind, str) or kind not in TYPES:
        return f"model_type {kind!r} is none of the types that are read"
    if config.get("auto_map"):
        return "auto_map asks for code that came with the model, which is never run"
    if config.get("quantization_config"):
        return "its weights are quantised, and they are read as plain numbers only"
    if config.get("is_decoder"):
        return "is_decoder: its states look to the left only"
    return ""


def type_of(config: Mapping[str, Any]) -> EncoderType:
    """The type of a config that ``read_config`` gave."""
    return TYPES[config["model_type"]]


def encoder_shape(folder: Path) -> EncoderShape:
    """Type, layers, width and positions from config.json.

    Raises what ``read_config`` and ``read_vocabulary`` raise, and InputDataError when sizes are not there or when the
    vocabulary holds more tokens than there are embeddings (fewer are fine: many are padded on purpose).
    """
    path = folder / CONFIG
    config = read_config(folder)
    # Not isinstance, for which JSON's true would be a size of 1.
    wrong = [key for key in _SIZES if type(config.get(key)) is not int or config[key] < 1]
    if wrong:
        raise InputDataError(f"{path}: {', '.join(wrong)} is missing or not a size", next_step=ANOTHER_ENCODER)
    vocabulary = read_vocabulary(folder)
    if vocabulary.size > config["vocab_size"]:
        raise InputDataError(
            f"{path}: vocab_size {config['vocab_size']}, but its vocabulary holds {vocabulary.size} tokens: "
            "some would have no embedding",
            next_step="fetch the encoder again: vocabulary and weights are not of one model",
        )
    n_layers, width, positions, _ = (config[key] for key in _SIZES)
    kind = type_of(config)
    if kind.positions_after_padding is not None:
        padding = config.get("pad_token_id", kind.positions_after_padding)
        if padding != vocabulary.ids.get(PAD):
            raise InputDataError(
                f"{path}: pad_token_id {padding}, but {PAD} is {vocabulary.ids.get(PAD)} in its vocabulary; "
                f"the positions of a {kind.name} are counted from there",
                next_step="fetch the encoder again: vocabulary and weights are not of one model",
            )
        positions -= padding + 1
    if positions <= SPECIAL_TOKENS:
        raise InputDataError(
            f"{path}: max_position_embeddings {config['max_position_embeddings']} leaves no position for a character",
            next_step=ANOTHER_ENCODER,
        )
    return EncoderShape(kind.name, n_layers, width, positions, vocabulary.size)


def with_layers(config: Mapping[str, Any], n_layers: int) -> dict[str, Any]:
    """A copy of the config with the first ``n_layers`` layers only."""
    changed = {**config, "num_hidden_layers": n_layers}
    if isinstance(config.get("layer_types"), list):  # modernbert: a kind of attention a layer
        changed["layer_types"] = config["layer_types"][:n_layers]
    return changed


def unusable_weights(folder: Path, error: Exception) -> SsmiError:
    """The error for weights that transformers could not open: MissingResourceError where there are none."""
    reason = str(error).strip().splitlines()[0]
    kind = StaleArtifactError if any(folder.glob("*.safetensors")) else MissingResourceError
    return kind(f"{folder}: no usable safetensors weights ({reason})", next_step=ANOTHER_ENCODER)


def check_loaded(folder: Path, info: Mapping[str, Iterable[Any]], *, layers: int | None) -> None:
    """Refuse weights that are not those of the encoder: transformers fills in random numbers and only logs it.

    Heads of other tasks, and layers after those asked for, may be left out.

    Args:
        folder: The encoder, for the message.
        info: The ``loading_info`` of ``from_pretrained``.
        layers: How many layers were asked for; None for all.

    Raises:
        StaleArtifactError: Weights are missing, have another shape, or belong to another type of model.
    """
    lacking = sorted(name for name in info["missing_keys"] if not _HARMLESS.fullmatch(name))
    strange = sorted(
        name for name in info["unexpected_keys"] if not _HARMLESS.fullmatch(name) and not _is_after(name, layers)
    )
    others = sorted(str(one[0] if isinstance(one, tuple) else one) for one in info["mismatched_keys"])
    for names, problem in (
        (lacking, f"{is_or_are(len(lacking))} missing"),
        (others, "of another shape than config.json says"),
        (strange, "that no model of this type has"),
    ):
        if names:
            raise StaleArtifactError(
                f"{folder}: {counted(len(names), 'weight')} {problem}, {names[0]} first",
                next_step=f"{ANOTHER_ENCODER}; or model_type in {CONFIG} is not what these weights are",
            )


def _is_after(name: str, layers: int | None) -> bool:
    """Whether a weight belongs to a layer after the first ``layers``."""
    match = _LAYER.search(name)
    return layers is not None and match is not None and int(match[1]) >= layers

"""Supported encoder types, and the contents of an encoder's config.json, for both pipeline and trainer.

An encoder is a folder with config.json, weights and a vocabulary. Its ``model_type`` determines the class of
transformers that runs it. A type that is not in ``TYPES`` is refused, because its weights may load into another class
without error and mean nothing there. This module imports neither torch nor transformers.
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
from ssmi.pipeline.contract.user_files import refuse_lfs_pointer

CONFIG = "config.json"
SPECIAL_TOKENS = 2
"""Special tokens in every input of an encoder: [CLS] at the beginning and [SEP] at the end."""
ANOTHER_ENCODER = "fetch it again, or name another with encoder.name"


@dataclass(frozen=True, slots=True)
class EncoderType:
    """What distinguishes a ``model_type`` of transformers from the others."""

    name: str
    model_class: str
    """Name of the transformers class that runs the type; the Auto classes import more than this class needs."""
    positions_after_padding: int | None = None
    """Default pad_token_id of a type that counts positions from the one after pad_token_id, so that fewer can be used;
    None for a type that counts positions from 0."""
    sdpa: bool = True
    """Whether transformers computes the attention with torch's fused kernels; otherwise without ("eager")."""
    pooler: bool = True
    """Whether the class accepts ``add_pooling_layer``; the other classes have no pooler."""
    last_norm: str = ""
    """Name of the module that normalises the output of the last layer only; empty if there is none."""

    @property
    def model_arguments(self) -> dict[str, Any]:
        """Arguments with which transformers creates a model of this type: with its attention and without a pooler."""
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
    # Relative positions; max_position_embeddings is the longest input in training (DebertaV2Embeddings).
    EncoderType("deberta-v2", "DebertaV2Model", sdpa=False, pooler=False),
    # Rotary positions, local in two of three layers; max_position_embeddings is as trained (ModernBertConfig).
    EncoderType("modernbert", "ModernBertModel", pooler=False, last_norm="final_norm"),
)
TYPES: Mapping[str, EncoderType] = {one.name: one for one in _TYPES}

_LONGEST_CONFIG = 1 << 24
"""Maximum bytes of config.json; for models with many thousand classes it has a few hundred thousand."""
_SIZES = ("num_hidden_layers", "hidden_size", "max_position_embeddings", "vocab_size")

# Weights that checkpoints hold beside the encoder's, or that are computed instead of learned: no state needs them.
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
    "classifier",  # of a model fine-tuned for another task
    "qa_outputs",
)
COMPUTED = "encoder.embed_positions.weight"
"""roformer's sinusoids: named like a weight, but computed and never trained."""
_HARMLESS = re.compile(
    rf"(?:\w+\.)?(?:{'|'.join(_HEADS)})\..+"
    r"|(?:\w+\.)?embeddings\.(?:position_ids|token_type_ids)"
    rf"|(?:\w+\.)?{re.escape(COMPUTED)}"
)
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The sizes of an encoder that the pipeline works with."""

    type: str
    """``model_type``: one of ``TYPES``."""
    n_layers: int
    width: int
    max_positions: int
    """Number of usable positions, [CLS] and [SEP] included."""
    n_tokens: int
    """Size of the vocabulary; there may be more embeddings."""

    @property
    def max_window(self) -> int:
        """Maximum number of characters in one input."""
        return self.max_positions - SPECIAL_TOKENS


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json of an encoder of a supported type: only known keys, with values within bounds.

    Raises:
        MissingResourceError: config.json does not exist.
        InputDataError: config.json is damaged; has no type or an unsupported type; asks for code that comes with the
            model; is for quantised weights or a decoder; or has a value that is not allowed for its key.
    """
    path = folder / CONFIG
    try:
        with path.open("rb") as stream:
            # One byte more than allowed reveals a file that is too long without reading all of it.
            body = stream.read(_LONGEST_CONFIG + 1)
        refuse_lfs_pointer(body, path)
        if len(body) > _LONGEST_CONFIG:
            raise ValueError(f"over {_LONGEST_CONFIG >> 20} MiB")
        config = json.loads(body.decode("utf-8"))
    except FileNotFoundError as error:
        raise MissingResourceError(f"{path}: does not exist", next_step=ANOTHER_ENCODER) from error
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
    """Return why an encoder with this config is not supported; empty if it is."""
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
    """Return the type of a config from ``read_config``."""
    return TYPES[config["model_type"]]


def encoder_shape(folder: Path) -> EncoderShape:
    """Read type, layers, width and positions from config.json, and the size of the vocabulary.

    Raises:
        MissingResourceError: config.json or the vocabulary does not exist.
        InputDataError: As for ``read_config`` and ``read_vocabulary``. Also if sizes are missing, if the vocabulary
            holds more tokens than there are embeddings (fewer are fine: many tables are padded on purpose), if no
            position is left for a character, or if positions are counted from [PAD] and config.json and vocabulary
            differ in its id.
    """
    path = folder / CONFIG
    config = read_config(folder)
    # Not isinstance, which would accept JSON's true as a size of 1.
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
    """Return a copy of the config with the first ``n_layers`` layers only."""
    changed = {**config, "num_hidden_layers": n_layers}
    if isinstance(config.get("layer_types"), list):  # modernbert: one kind of attention per layer
        changed["layer_types"] = config["layer_types"][:n_layers]
    return changed


def unusable_weights(folder: Path, error: Exception) -> SsmiError:
    """Return the error for weights that transformers could not open: MissingResourceError if there are none."""
    reason = str(error).strip().splitlines()[0]
    kind = StaleArtifactError if any(folder.glob("*.safetensors")) else MissingResourceError
    return kind(f"{folder}: no usable safetensors weights ({reason})", next_step=ANOTHER_ENCODER)


def check_loaded(folder: Path, info: Mapping[str, Iterable[Any]], *, layers: int | None) -> None:
    """Refuse weights that are not the encoder's: transformers would use random numbers and only log it.

    Heads of other tasks, and layers after the requested ones, are ignored.

    Args:
        folder: Folder of the encoder, for the message.
        info: The ``loading_info`` of ``from_pretrained``.
        layers: Number of requested layers; None for all.

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
                next_step=f"{ANOTHER_ENCODER}, or correct model_type in {CONFIG}",
            )


def _is_after(name: str, layers: int | None) -> bool:
    """Whether a weight belongs to a layer after the first ``layers``."""
    match = _LAYER.search(name)
    return layers is not None and match is not None and int(match[1]) >= layers

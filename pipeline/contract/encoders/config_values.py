"""Filter of an encoder's config.json: only known keys with plain values within bounds reach transformers.

A config comes with a model from somebody else. transformers takes from it which attention kernel to load
(``attn_implementation``), which code to import (``auto_map``) and how much memory to allocate, so only what a forward
pass of the supported types reads is passed on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]

MAX_PARAMETERS = 1 << 32
"""Limit of weights; the largest published encoder of a supported type has 3.5 billion (XLM-R XL)."""
_ACTIVATIONS = (
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh",
    "gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2",
    "relu6", "sigmoid", "silu", "sqrtsoftplus", "swish", "tanh",
)  # fmt: skip
"""Activations of transformers that have no weights of their own."""
_ATTENTIONS = ("full_attention", "sliding_attention")


def _whole(low: int, high: int) -> Check:
    # Not isinstance, which would accept JSON's true as 1.
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and low <= value <= high


def _one_of(*values: str | bool | None) -> Check:
    return lambda value: isinstance(value, str | bool | None) and value in values


def _each(check: Check, most: int) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _rope(value: Any) -> bool:
    """Accept ``{"full_attention": {"rope_type": "default", "rope_theta": 160000.0}, ...}`` and no other type."""
    of_one: dict[str, Check] = {"rope_type": _one_of("default"), "rope_theta": _number(1, 1e9)}
    return isinstance(value, dict) and all(
        kind in _ATTENTIONS
        and isinstance(one, dict)
        and all(key in of_one and of_one[key](number) for key, number in one.items())
        for kind, one in value.items()
    )


_SIZE, _RATE, _FLAG = _whole(1, 1 << 21), _number(0, 1), _one_of(True, False)
_TOKEN = _either(_one_of(None), _whole(0, 1 << 21))
_POSITIONS = _either(
    _one_of("none"), _each(_one_of("c2p", "p2c", "p2p"), 3), _one_of("c2p|p2c", "p2c|c2p", "c2p", "p2c")
)

CHECKS: Mapping[str, Check] = {
    "vocab_size": _SIZE,
    "num_hidden_layers": _whole(1, 1 << 9),
    "hidden_size": _whole(1, 1 << 14),
    "embedding_size": _either(_one_of(None), _whole(1, 1 << 14)),
    "intermediate_size": _whole(1, 1 << 17),
    "num_attention_heads": _whole(1, 1 << 10),
    "attention_head_size": _whole(1, 1 << 14),
    "max_position_embeddings": _whole(1, 1 << 20),
    "type_vocab_size": _whole(0, 1 << 10),
    "task_type_vocab_size": _whole(1, 1 << 10),
    "use_task_id": _FLAG,
    "pad_token_id": _TOKEN,
    "bos_token_id": _TOKEN,
    "eos_token_id": _TOKEN,
    "cls_token_id": _TOKEN,
    "sep_token_id": _TOKEN,
    "hidden_act": _one_of(*_ACTIVATIONS),
    "hidden_activation": _one_of(*_ACTIVATIONS),
    "hidden_dropout_prob": _RATE,
    "attention_probs_dropout_prob": _RATE,
    "attention_dropout": _RATE,
    "embedding_dropout": _RATE,
    "mlp_dropout": _RATE,
    "initializer_range": _number(0, 100),
    "initializer_cutoff_factor": _number(0, 100),
    "layer_norm_eps": _RATE,
    "norm_eps": _RATE,
    "norm_bias": _FLAG,
    "attention_bias": _FLAG,
    "mlp_bias": _FLAG,
    "rotary_value": _FLAG,
    # deberta-v2
    "relative_attention": _FLAG,
    "share_att_key": _FLAG,
    "position_biased_input": _FLAG,
    "legacy": _FLAG,
    "pos_att_type": _either(_one_of(None), _POSITIONS),
    "norm_rel_ebd": _one_of("none", "layer_norm"),
    "position_buckets": _whole(-1, 1 << 16),
    "max_relative_positions": _whole(-1, 1 << 20),
    "conv_kernel_size": _whole(0, 1 << 8),
    "conv_groups": _whole(1, 1 << 14),
    "conv_act": _one_of(*_ACTIVATIONS),
    # modernbert
    "local_attention": _whole(1, 1 << 20),
    "global_attn_every_n_layers": _whole(1, 1 << 9),
    "layer_types": _either(_one_of(None), _each(_one_of(*_ATTENTIONS), 1 << 9)),
    "global_rope_theta": _number(1, 1e9),
    "local_rope_theta": _number(1, 1e9),
    "rope_scaling": _one_of(None),
    "rope_parameters": _either(_one_of(None), _rope),
}
"""Key → check of whether a value may be passed on."""


def known_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a config that the supported types read, ``model_type`` first; all others are dropped.

    Raises:
        ValueError: A value is not allowed for its key, or the model would be absurdly large.
    """
    kept = {key: value for key, value in config.items() if key in CHECKS}
    wrong = sorted(key for key, value in kept.items() if not CHECKS[key](value))
    if wrong:
        shown = ", ".join(f"{key}: {str(kept[key])[:40]!r}" for key in wrong)
        raise ValueError(f"unsupported values ({shown})")
    n_parameters = _n_parameters(kept)
    if n_parameters > MAX_PARAMETERS:
        raise ValueError(f"asks for {n_parameters:,} weights, over {MAX_PARAMETERS:,}")
    return {"model_type": config["model_type"], **kept}


def _n_parameters(config: Mapping[str, Any]) -> int:
    """Count the weights of the embeddings and of the layers' matrices: all but a few of a model's weights."""
    width, layers = config.get("hidden_size", 1), config.get("num_hidden_layers", 1)
    tables = config.get("vocab_size", 1) + config.get("max_position_embeddings", 1)
    return int(width * (tables + layers * (4 * width + 2 * config.get("intermediate_size", 1))))

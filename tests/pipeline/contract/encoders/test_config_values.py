"""Only known keys of an encoder's config.json, with plain values, are passed to transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.encoders.config_values import CHECKS, MAX_PARAMETERS, known_values
from ssmi.pipeline.contract.encoders.types import TYPES, read_config
from ssmi.pipeline.contract.errors import InputDataError

IGNORED = {
    # The source of code, kernels or files, and the form of the output.
    "_attn_implementation", "attn_implementation", "experts_implementation", "auto_map", "dtype", "_name_or_path",
    "architectures", "transformers_version", "output_hidden_states", "output_attentions", "return_dict",
    "chunk_size_feed_forward", "deterministic_flash_attn", "reference_compile", "use_cache", "tie_word_embeddings",
    # Heads, decoders, tasks: no state of the encoder depends on them.
    "is_decoder", "is_encoder_decoder", "add_cross_attention", "problem_type", "id2label", "label2id",
    "pooler_dropout", "pooler_hidden_act", "pooler_hidden_size", "decoder_bias",
    "sparse_prediction", "sparse_pred_ignore_index",
    "summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout",
}  # fmt: skip
PLAIN: dict[str, Any] = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2}


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_key_of_the_installed_transformers_is_known_or_ignored(kind: str) -> None:
    """A release that adds a key to a type fails here, before an encoder with that key is read without it."""
    config = getattr(transformers, TYPES[kind].model_class).config_class
    keys = {key for key in config().to_dict() if not key.startswith(("classifier_", "num_labels"))}
    assert keys - set(CHECKS) - IGNORED - {"model_type", "sliding_window"} == set()


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_the_defaults_of_every_type_are_passed_on(kind: str) -> None:
    config = json.loads(getattr(transformers, TYPES[kind].model_class).config_class().to_json_string(use_diff=False))
    assert known_values(config) == {key: value for key, value in config.items() if key in {"model_type", *CHECKS}}


@pytest.mark.parametrize(
    "hostile",
    [
        {"attn_implementation": "somebody/kernels"},
        {"_attn_implementation": "somebody/kernels"},
        {"_attn_implementation_internal": "somebody/kernels"},
        {"dtype": "__import__('os')"},
        {"custom_pipelines": {"x": {"impl": "own.py"}}},
        {"text_config": {"auto_map": {"AutoModel": "own.Model"}}},
        {"_name_or_path": "/somewhere"},
        {"chunk_size_feed_forward": 3},
        {"return_dict": False},
        {"torchscript": True},
    ],
)
def test_keys_that_select_code_or_kernels_are_dropped(hostile: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**PLAIN, **hostile}), encoding="utf-8")
    assert read_config(tmp_path) == PLAIN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", 0),
        ("hidden_size", True),
        ("hidden_size", "16"),
        ("hidden_size", 1 << 40),
        ("num_hidden_layers", 100_000),
        ("type_vocab_size", -1),
        ("hidden_act", "prelu"),
        ("hidden_act", ["gelu"]),
        ("hidden_act", None),
        ("hidden_dropout_prob", float("nan")),
        ("layer_norm_eps", float("inf")),
        ("pos_att_type", "os.system"),
        ("layer_types", ["full_attention", "own"]),
        ("rope_parameters", {"full_attention": {"rope_type": "dynamic", "factor": 1e9}}),
        ("rope_parameters", {"other": {}}),
        ("rope_scaling", {"rope_type": "yarn", "factor": 4.0}),
        ("use_task_id", 1),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(key: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**PLAIN, key: value}), encoding="utf-8")
    with pytest.raises(InputDataError, match=rf"config\.json: unsupported values \({key}: "):
        read_config(tmp_path)


def test_a_model_too_large_for_memory_is_refused() -> None:
    large = {**PLAIN, "hidden_size": 1 << 14, "vocab_size": 1 << 21}
    with pytest.raises(ValueError, match=rf"weights, over {MAX_PARAMETERS:,}"):
        known_values(large)
    xlm_roberta_xl = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 36, "vocab_size": 250880}
    assert known_values({"model_type": "xlm-roberta", **xlm_roberta_xl})


def test_a_very_long_or_deep_config_is_refused(tmp_path: Path) -> None:
    for body in ("[" * 200_000, " " * ((1 << 24) + 1)):
        (tmp_path / "config.json").write_text(body, encoding="utf-8")
        with pytest.raises(InputDataError, match=r"config\.json: not JSON"):
            read_config(tmp_path)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["gelu", "c2p"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(CHECKS)) | st.text(max_size=12), _VALUES, max_size=8))
def test_any_config_is_read_or_refused(config: dict[str, Any]) -> None:
    try:
        kept = known_values({**config, "model_type": "bert"})
    except ValueError:
        return
    assert set(kept) <= {"model_type", *CHECKS} and all(CHECKS[key](kept[key]) for key in set(kept) - {"model_type"})

"""Every type of encoder that is read, in both halves, beside transformers' own class on a tiny random folder."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from model import encoder as encoders
from model.batches import Batch, Windows
from pipeline.contract.encoder_types import TYPES, encoder_shape
from pipeline.contract.encoder_vocabulary import encoder_vocabulary
from pipeline.features.encoder import FrozenEncoder
from pipeline.features.tokens import CharacterTokens

CHARACTERS = [chr(0x4E00 + index) for index in range(60)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]
POSITIONS = 40
SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY) + 3,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
}
OWN: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "bert": (hf.BertConfig, hf.BertModel, {}),
    "ernie": (hf.ErnieConfig, hf.ErnieModel, {"use_task_id": True, "task_type_vocab_size": 3}),
    "electra": (hf.ElectraConfig, hf.ElectraModel, {"embedding_size": 16}),
    "roberta": (hf.RobertaConfig, hf.RobertaModel, {}),
    "xlm-roberta": (hf.XLMRobertaConfig, hf.XLMRobertaModel, {}),
    "roformer": (hf.RoFormerConfig, hf.RoFormerModel, {"embedding_size": 24}),
    "deberta-v2": (
        hf.DebertaV2Config,
        hf.DebertaV2Model,
        {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"], "conv_kernel_size": 3,
         "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False},
    ),
    "modernbert": (
        hf.ModernBertConfig,
        hf.ModernBertModel,
        {"local_attention": 8, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    ),
}  # fmt: skip

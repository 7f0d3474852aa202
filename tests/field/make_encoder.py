"""A tiny encoder in a folder: python make_encoder.py FOLDER KIND."""

import json
import sys
from pathlib import Path

import torch
import transformers as t

folder, kind = Path(sys.argv[1]), sys.argv[2]
common_characters = "李建国赵敏周志强吴丽华在东海市江城南山大学工作喜欢到了去北桥镇今天昨天气很好下雨。"
characters = list(
    dict.fromkeys([*common_characters, *map(chr, range(0x4E00, 0x4E00 + 500)), *"abcdefghijklmnopqrstuvwxyz0123456789"])
)
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
sizes = dict(
    vocab_size=len(vocabulary),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=128,
)
torch.manual_seed(0)
model: t.PreTrainedModel
if kind == "ernie3":  # ERNIE 3.0 adds a task embedding to each token
    model = t.ErnieModel(t.ErnieConfig(**sizes, use_task_id=True, task_type_vocab_size=3))
elif kind == "roberta":  # RoBERTa's positions start after the padding id
    model = t.RobertaModel(t.RobertaConfig(**sizes, pad_token_id=0))
elif kind in ("padded", "added"):
    model = t.BertModel(t.BertConfig(**{**sizes, "vocab_size": len(vocabulary) + (36 if kind == "padded" else 2)}))
else:
    model = t.BertModel(t.BertConfig(**sizes))
folder.mkdir(parents=True, exist_ok=True)
model.save_pretrained(folder)
(folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
if kind == "bin":
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
if kind == "added":
    (folder / "added_tokens.json").write_text(json.dumps({"<e>": len(vocabulary), "</e>": len(vocabulary) + 1}))

"""Word vectors, encoders, archives and word lists made by others."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import torch

from ssmi.pipeline.assets.conversion.pickled_weights import read_pickled
from ssmi.pipeline.assets.encoder_files import part_names
from ssmi.pipeline.assets.sources.archives import read_member
from ssmi.pipeline.contract.encoders.types import encoder_shape
from ssmi.pipeline.lexicon.user_dictionary import read_user_dictionary
from ssmi.pipeline.lexicon.word_vectors import open_vectors
from tests.fuzz.targets.target import Target, target

_VECTORS = "3 4\n中国 1 2 3 4\n人民 0.5 -1 2e-3 4\n北京 4 3 2 1\n"
_BINARY = b"2 4\n" + b"".join(
    word.encode() + b" " + struct.pack("<4f", 1, 2, 3, 4) + b"\n" for word in ("中国", "人民")
)
_VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n国\n".encode()
_CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "max_position_embeddings": 64,
    "vocab_size": 6,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "pad_token_id": 0,
    "layer_norm_eps": 1e-12,
    "attn_implementation": "eager",
    "architectures": ["BertModel"],
}


def _read_vectors(path: Path) -> object:
    with open_vectors(path) as reader:
        return [words for words, _ in reader.blocks()]


def _read_member(path: Path) -> object:
    return b"".join(read_member(path, "a/words.txt", max_bytes=1 << 16))


def _zipped(body: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/words.txt", body)
        archive.writestr("README", "read me")
    return stream.getvalue()


def _tarred(body: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("a/words.txt")
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def _pickled() -> list[bytes]:
    """Weights of a model as saved by torch, in the present format and that before version 1.6."""
    saved = []
    for zipped in (True, False):
        stream = io.BytesIO()
        weights = {"bert.weight": torch.ones(2, 3), "bert.bias": torch.zeros(3, dtype=torch.float16)}
        torch.save(weights, stream, _use_new_zipfile_serialization=zipped)
        saved.append(stream.getvalue())
    return saved


def outside() -> list[Target]:
    text = _VECTORS.encode()
    archives = (_zipped(text), _tarred(text))
    return [
        target("vectors", _read_vectors, "v.bin", text, _BINARY, gzip.compress(text), *archives),
        target("archive", _read_member, "a.whl", *archives),
        target(
            "encoder config",
            lambda path: encoder_shape(path.parent),
            "config.json",
            json.dumps(_CONFIG),
            extra_files={"vocab.txt": _VOCABULARY},
        ),
        target(
            "encoder vocabulary",
            lambda path: encoder_shape(path.parent),
            "vocab.txt",
            _VOCABULARY,
            extra_files={"config.json": json.dumps(_CONFIG).encode()},
        ),
        target("encoder weights", read_pickled, "pytorch_model.bin", *_pickled()),
        target("weights index", part_names, "model.safetensors.index.json", json.dumps({"weight_map": {"a": "b.bin"}})),
        target("user dictionary", read_user_dictionary, "words.txt", "云计算 5 n\n长江大桥\n"),
    ]

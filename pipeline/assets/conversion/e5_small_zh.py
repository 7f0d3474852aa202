"""Cut a character-level Chinese BERT out of multilingual-e5-small, stored in 4-bit blocks (``E5S1``).

The model is an ordinary BERT with a SentencePiece vocabulary of 250,002 pieces. The conversion keeps the pieces of one
character (the plain piece if there is one, else the piece after the word-start mark U+2581) of CJK, Latin, Greek,
Cyrillic, kana, punctuation and common symbols. Full-width forms and other compatibility characters share the embedding
of the piece that spells their NFKC form; a few dashes and dots share that of their ASCII twin.

Order of vocab.txt, which fixes every id: [PAD] [UNK] [CLS] [SEP] [MASK], then all characters by code point. The files
are the same bytes on every machine: numpy and safetensors only, no torch.

Layout of the source (little-endian): magic ``E5S1``, u32 version; i32 width, layers, heads, inner, vocabulary rows,
positions, token types; f32 layer-norm epsilon; i32 block; then the tokenizer, the directory and the tensors. A
quantised row holds blocks of 32 weights in 18 bytes: a float16 scale, then byte j with weight j in its low nibble and
weight j + 16 in its high nibble; weight = (nibble - 8) * scale.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage.tensor_files import saving_tensors

VERSION = 1
"""Raise when the same source gives other files, so that cached copies are made again."""

Half = npt.NDArray[np.float16]
_BLOCK, _BLOCK_BYTES = 32, 18
_FLOAT32, _QUANTISED = 0, 1
_START = "▁"

_PIECES = (
    (0x0021, 0x007E), (0x00A1, 0x024F), (0x0370, 0x03FF), (0x0400, 0x045F), (0x2010, 0x205E), (0x20A0, 0x20BF),
    (0x2100, 0x214F), (0x2190, 0x22FF), (0x25A0, 0x26FF), (0x3001, 0x303F), (0x3040, 0x312F), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Code points whose piece is kept: Latin, Greek, Cyrillic, punctuation, symbols, kana, CJK."""

_TWINS = (
    (0x2100, 0x218F), (0x2460, 0x249B), (0x3001, 0x303F), (0xFE30, 0xFE6B), (0xFF01, 0xFFEE),
)  # fmt: skip
"""Code points without a piece, because the model normalises text by NFKC: they share the row of that form."""

_ASCII_TWINS = {
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{WAVE DASH}": "~",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{FIGURE DASH}": "-",
    "\N{HORIZONTAL BAR}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{HYPHENATION POINT}": ".",
}


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    n_layers: int
    n_heads: int
    inner: int
    n_rows: int
    n_positions: int
    n_types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class _Tensor:
    kind: int
    size: int
    offset: int
    n_bytes: int


class _Source:
    """A cursor over the file that refuses to read past its end."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self.data = data
        self.name = name
        self.at = 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack(f"<{form}", self.raw(struct.calcsize(f"<{form}")))
        return values

    def raw(self, n_bytes: int) -> bytes:
        if n_bytes < 0 or self.at + n_bytes > len(self.data):
            raise self.broken(f"byte {self.at}: ends inside a field of {n_bytes} bytes")
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def broken(self, reason: str) -> InputDataError:
        return InputDataError(f"{self.name}: {reason}", next_step="remove it and fetch it again")


def convert(source: Path, target: Path, *, reporter: Reporter) -> None:
    """Write config.json, model.safetensors (float16, BertModel's names, no pooler) and vocab.txt into ``target``.

    Raises:
        InputDataError: The file does not have the layout above; the message names the byte or tensor at fault.
    """
    with source.open("rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise InputDataError(f"{source.name}: empty", next_step="remove it and fetch it again") from error
        with data:
            cursor = _Source(data, source.name)
            header = _read_header(cursor)
            pieces, special = _read_pieces(cursor, header)
            directory = _read_directory(cursor)
            vocabulary = character_rows(pieces, special=special)
            tensors = _tensors(cursor, header, directory, list(vocabulary.values()), reporter)
    (target / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8", newline="\n")
    with saving_tensors(target / "model.safetensors"):
        save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    body = json.dumps(_config(header, len(vocabulary)), indent=1, sort_keys=True)
    (target / "config.json").write_text(body + "\n", encoding="utf-8", newline="\n")


def character_rows(pieces: Mapping[str, int], *, special: Mapping[str, int]) -> dict[str, int]:
    """Token → row of the source's embeddings, in the order of vocab.txt.

    ``pieces`` maps every piece to its row, ``special`` the five BERT specials to theirs.
    """
    rows = {}
    for low, high in _PIECES:
        for character in map(chr, range(low, high + 1)):
            row = _row(pieces, character)
            if row is not None and character.isprintable():
                rows[character] = row
    # Only where a character has no piece of its own: hence setdefault here and below.
    for low, high in _TWINS:
        for character in map(chr, range(low, high + 1)):
            row = _row(pieces, unicodedata.normalize("NFKC", character))
            if row is not None:
                rows.setdefault(character, row)
    for character, twin in _ASCII_TWINS.items():
        row = _row(pieces, twin)
        if row is not None:
            rows.setdefault(character, row)
    return {**special, **{character: rows[character] for character in sorted(rows)}}


def _row(pieces: Mapping[str, int], text: str) -> int | None:
    if not text or text.isspace():
        return None
    return pieces.get(text, pieces.get(_START + text))


def _read_header(source: _Source) -> _Header:
    if source.raw(4) != b"E5S1":
        raise source.broken("does not begin with E5S1, so it is another kind of file")
    (version,) = source.take("I")
    if version != 1:
        raise source.broken(f"layout version {version}; only 1 is known")
    values = source.take("7if")
    header, sizes = _Header(*values), values[:-1]
    (block,) = source.take("i")
    if min(sizes) < 1 or header.n_layers > 1000 or block != _BLOCK or header.width % _BLOCK or header.inner % _BLOCK:
        raise source.broken(f"sizes {sizes} with blocks of {block} make no sense")
    if header.width % header.n_heads or not 0.0 < header.epsilon < 1e-3:
        raise source.broken(f"width {header.width}, {header.n_heads} heads, epsilon {header.epsilon} make no sense")
    return header


def _read_pieces(source: _Source, header: _Header) -> tuple[dict[str, int], dict[str, int]]:
    n_pieces, bos, eos, pad, unk, blob_bytes = source.take("5iQ")
    if not 4 <= n_pieces <= header.n_rows:
        raise source.broken(f"{n_pieces} pieces for {header.n_rows} embeddings")
    offsets = np.frombuffer(source.raw(4 * (n_pieces + 1)), "<u4")
    source.raw(4 * n_pieces)  # scores, which are useless without the segmentation
    blob = source.raw(blob_bytes)
    if np.any(np.diff(offsets.astype(np.int64)) < 0) or offsets[-1] > blob_bytes:
        raise source.broken("the pieces' offsets do not rise")
    try:
        texts = [blob[start:end].decode() for start, end in pairwise(offsets.tolist())]
    except UnicodeDecodeError as error:
        raise source.broken("a piece is not UTF-8") from error
    _, map_bytes = source.take("iI")
    source.raw(map_bytes)
    pieces = {text: row for row, text in reversed(list(enumerate(texts)))}  # the first of equal pieces counts
    if "<mask>" not in pieces or not all(0 <= row < n_pieces for row in (bos, eos, pad, unk)):
        raise source.broken("the special pieces are missing")
    special = {"[PAD]": pad, "[UNK]": unk, "[CLS]": bos, "[SEP]": eos, "[MASK]": pieces["<mask>"]}
    return pieces, special


def _read_directory(source: _Source) -> dict[str, _Tensor]:
    (n_entries,) = source.take("i")
    directory = {}
    for _ in range(n_entries):
        (length,) = source.take("H")
        name = source.raw(length).decode("utf-8", "replace")
        tensor = _Tensor(*source.take("BIQQ"))
        expected = 4 * tensor.size if tensor.kind == _FLOAT32 else tensor.size // _BLOCK * _BLOCK_BYTES
        if tensor.kind not in (_FLOAT32, _QUANTISED) or tensor.n_bytes != expected:
            raise source.broken(f"tensor {name}: {tensor.n_bytes} bytes for {tensor.size} values of kind {tensor.kind}")
        if tensor.offset + tensor.n_bytes > len(source.data):
            raise source.broken(f"tensor {name}: ends at byte {tensor.offset + tensor.n_bytes}, past the file's end")
        directory[name] = tensor
    return directory


def _tensors(
    source: _Source, header: _Header, directory: Mapping[str, _Tensor], rows: list[int], reporter: Reporter
) -> dict[str, Half]:
    plan = _plan(header)
    out = {}
    with reporter.task("converting the encoder", total=len(plan), unit="tensors") as advance:
        for target, (name, shape) in plan.items():
            tensor = directory.get(name)
            if tensor is None or tensor.size != math.prod(shape) or (tensor.kind == _QUANTISED and len(shape) == 1):
                raise source.broken(f"tensor {name} is missing or not {shape}")
            content = source.data[tensor.offset : tensor.offset + tensor.n_bytes]
            with np.errstate(over="ignore", invalid="ignore"):  # reported below, with the tensor's name
                out[target] = _values(content, tensor.kind, shape, rows if name == "emb.word" else None)
            if not np.isfinite(out[target]).all():
                raise source.broken(f"tensor {name} holds a weight that is not finite in half precision")
            advance(1)
    return out


def _values(content: bytes, kind: int, shape: tuple[int, ...], rows: list[int] | None) -> Half:
    """Decode one tensor, or only ``rows`` of it, to float16. Shape: as in the plan, [out, in] for matrices."""
    stored = np.frombuffer(content, np.uint8).reshape(shape[0], -1)
    stored = stored[rows] if rows is not None else stored
    if kind == _FLOAT32:
        return np.ascontiguousarray(stored.view("<f4").reshape(-1, *shape[1:]).astype(np.float16))
    blocks = stored.reshape(-1, _BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8.0
    return (nibbles * scales).reshape(-1, *shape[1:]).astype(np.float16)


def _plan(header: _Header) -> dict[str, tuple[str, tuple[int, ...]]]:
    """BertModel's name → (name in the source, its shape there)."""
    width, inner = header.width, header.inner
    plan: dict[str, tuple[str, tuple[int, ...]]] = {
        "embeddings.word_embeddings.weight": ("emb.word", (header.n_rows, width)),
        "embeddings.position_embeddings.weight": ("emb.pos", (header.n_positions, width)),
        "embeddings.token_type_embeddings.weight": ("emb.type", (header.n_types, width)),
        "embeddings.LayerNorm.weight": ("emb.ln.w", (width,)),
        "embeddings.LayerNorm.bias": ("emb.ln.b", (width,)),
    }
    linear = {
        "attention.self.query": ("q", (width, width)),
        "attention.self.key": ("k", (width, width)),
        "attention.self.value": ("v", (width, width)),
        "attention.output.dense": ("ao", (width, width)),
        "intermediate.dense": ("fi", (inner, width)),
        "output.dense": ("fo", (width, inner)),
    }
    for layer in range(header.n_layers):
        prefix = f"encoder.layer.{layer}"
        for name, (short, shape) in linear.items():
            plan[f"{prefix}.{name}.weight"] = (f"l{layer}.{short}.w", shape)
            plan[f"{prefix}.{name}.bias"] = (f"l{layer}.{short}.b", shape[:1])
        for name, short in (("attention.output", "aln"), ("output", "oln")):
            plan[f"{prefix}.{name}.LayerNorm.weight"] = (f"l{layer}.{short}.w", (width,))
            plan[f"{prefix}.{name}.LayerNorm.bias"] = (f"l{layer}.{short}.b", (width,))
    return plan


def _config(header: _Header, n_tokens: int) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "dtype": "float32",  # the type to compute in: the file's half precision is for storage only
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": header.width,
        "initializer_range": 0.02,
        "intermediate_size": header.inner,
        # A float32 in decimals would carry its rounding into the file.
        "layer_norm_eps": float(f"{header.epsilon:.6g}"),
        "max_position_embeddings": header.n_positions,
        "model_type": "bert",
        "num_attention_heads": header.n_heads,
        "num_hidden_layers": header.n_layers,
        "pad_token_id": 0,
        "type_vocab_size": header.n_types,
        "vocab_size": n_tokens,
    }

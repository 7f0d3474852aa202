"""What is inside a BERT folder, without transformers: its files, their common digest, its vocabulary and its sizes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.assets.cache import remembered_digest
from pipeline.contract.errors import InputDataError, MissingResourceError
from pipeline.contract.manifest import digest_json

_VOCABULARIES = ("vocab.txt", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The sizes that the pipeline plans with."""

    n_layers: int
    width: int
    max_positions: int
    """Positions, [CLS] and [SEP] included."""
    n_tokens: int
    """Size of its vocabulary."""


def check_encoder_folder(folder: Path, *, name: str = "") -> None:
    """Raise MissingResourceError naming what a BERT folder lacks; ``name`` is what the person called it."""
    lacking = [] if (folder / "config.json").is_file() else ["config.json"]
    if not _weights(folder):
        lacking.append("model.safetensors")
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        lacking.append(" or ".join(_VOCABULARIES))
    if not lacking:
        return
    raise MissingResourceError(
        f"{name or folder}: no encoder, it lacks {', '.join(lacking)}",
        next_step="name a folder with config.json, model.safetensors and vocab.txt (weights only as safetensors: "
        "pytorch_model.bin is a pickle, which is never loaded)",
    )


def encoder_digest(folder: Path) -> str:
    """One sha256 for config.json, all weights and the vocabulary in use: what features computed with it depend on."""
    return digest_json({path.name: remembered_digest(path) for path in encoder_files(folder)})


def encoder_files(folder: Path) -> list[Path]:
    """The files that ``encoder_digest`` covers, which are all that features need of an encoder."""
    return [folder / "config.json", *_weights(folder), _vocabulary_file(folder)]


def encoder_vocabulary(folder: Path) -> dict[str, int]:
    """Token → id, from vocab.txt (a token a line) or else the tokenizer.json of a WordPiece, BPE or Unigram model.

    Raises InputDataError when the file holds no vocabulary.
    """
    path = _vocabulary_file(folder)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputDataError(f"{path}: not UTF-8 (byte {error.start})", next_step="fetch the encoder again") from error
    if path.name == "vocab.txt":
        # only \n and \r\n end a line: U+0085 and U+2028 may be tokens
        lines = text.removesuffix("\n").split("\n") if text else []
        vocabulary = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
    else:
        vocabulary = _from_tokenizer(_json_object(path, text), path)
    if not vocabulary:
        raise InputDataError(f"{path}: holds no vocabulary", next_step="fetch the encoder again")
    return vocabulary


def encoder_shape(folder: Path) -> EncoderShape:
    """Layers, width and positions from config.json.

    Raises InputDataError when they are not there, or when the vocabulary is not of the size the weights are for.
    """
    path = folder / "config.json"
    config = _json_object(path, path.read_text(encoding="utf-8", errors="replace"))
    keys = ("num_hidden_layers", "hidden_size", "max_position_embeddings")
    wrong = [key for key in keys if type(config.get(key)) is not int or config[key] < 1]
    if wrong:
        raise InputDataError(f"{path}: no BERT, {', '.join(wrong)} is missing", next_step="name a BERT encoder")
    tokens = max(encoder_vocabulary(folder).values()) + 1
    if config.get("vocab_size") != tokens:
        raise InputDataError(
            f"{path}: vocab_size {config.get('vocab_size')}, but its vocabulary holds {tokens} tokens",
            next_step="fetch the encoder again",
        )
    n_layers, width, max_positions = (config[key] for key in keys)
    return EncoderShape(n_layers, width, max_positions, tokens)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _vocabulary_file(folder: Path) -> Path:
    return next((folder / name for name in _VOCABULARIES if (folder / name).is_file()), folder / _VOCABULARIES[0])


def _from_tokenizer(body: dict[str, Any], path: Path) -> dict[str, int]:
    model = body.get("model")
    entries = model.get("vocab") if isinstance(model, dict) else None
    try:
        if isinstance(entries, list):  # Unigram: [[piece, score], ...]
            vocabulary = {str(piece): number for number, (piece, _) in enumerate(entries)}
        else:
            vocabulary = {str(token): int(number) for token, number in (entries or {}).items()}
        added = {str(token["content"]): int(token["id"]) for token in body.get("added_tokens") or []}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputDataError(f"{path}: its vocabulary is damaged", next_step="fetch the encoder again") from error
    return {**vocabulary, **added}


def _json_object(path: Path, text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise InputDataError(f"{path}: not JSON ({error})", next_step="fetch the encoder again") from error
    if not isinstance(body, dict):
        raise InputDataError(f"{path}: no JSON object", next_step="fetch the encoder again")
    return body

"""An encoder's vocabulary as a map from tokens to ids for single characters, whatever its file and kind of pieces.

It is read from vocab.txt, with one token per line; else from tokenizer.json of a WordPiece, Unigram or BPE model; else
from vocab.json of a byte-level BPE model. The special tokens get BERT's names. A piece that begins with the word-start
mark (U+2581) stands for the characters after the mark if these have no other piece, and so does a byte-level piece that
begins with a blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.text.encodings import not_utf8
from ssmi.pipeline.contract.text.json_text import loads

CLS, SEP, PAD, UNK, MASK = "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"
_OTHER_NAMES = {
    CLS: ("<s>", "<cls>", "<bos>"),
    SEP: ("</s>", "<sep>", "<eos>"),
    PAD: ("<pad>",),
    UNK: ("<unk>",),
    MASK: ("<mask>",),
}
VOCABULARIES = ("vocab.txt", "tokenizer.json", "vocab.json")
_SENTENCEPIECE = ("sentencepiece.bpe.model", "spm.model", "spiece.model", "tokenizer.model")
FETCH_AGAIN = "fetch the encoder again"

WORD_START = "\u2581"
MIN_WHOLE_CHARACTERS = 1000
"""Minimum number of whole Chinese characters in a byte-level vocabulary. It can spell every character in pieces, but to
give a character one id it must hold the common characters whole: the 1,000 most frequent make up about nine in ten
characters of running Chinese text."""


@dataclass(frozen=True, slots=True)
class EncoderVocabulary:
    """Token → id, with the special tokens under BERT's names, and the ``size``: the largest id plus 1."""

    ids: Mapping[str, int]
    size: int


def vocabulary_file(folder: Path) -> Path:
    """Return the file that the vocabulary is read from.

    Raises:
        MissingResourceError: The folder has no vocabulary file; the message says if it has only a sentencepiece model.
    """
    for name in VOCABULARIES:
        if (folder / name).is_file():
            return folder / name
    model = next((name for name in _SENTENCEPIECE if (folder / name).is_file()), None)
    if model is not None:
        raise MissingResourceError(
            f"{folder}: its vocabulary is in {model} only, which is not read",
            next_step="write tokenizer.json beside it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    raise MissingResourceError(
        f"{folder}: no vocabulary file ({', '.join(VOCABULARIES[:-1])} or {VOCABULARIES[-1]})",
        next_step="name a folder with an encoder's vocabulary",
    )


def encoder_vocabulary(folder: Path) -> dict[str, int]:
    """Read an encoder's vocabulary as token → id; see ``read_vocabulary``."""
    return dict(read_vocabulary(folder).ids)


def read_vocabulary(folder: Path) -> EncoderVocabulary:
    """Read an encoder's vocabulary as a map from tokens to ids.

    Raises:
        MissingResourceError: The folder has no vocabulary file.
        InputDataError: The file is damaged, holds no vocabulary, or cannot give a Chinese character a single id.
    """
    path = vocabulary_file(folder)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputDataError(not_utf8(path, error), next_step=FETCH_AGAIN) from error
    marked: Mapping[str, int] = {}
    byte_level = False
    if path.name == "vocab.txt":
        # only \n and \r\n end a line: U+0085 and U+2028 may be tokens
        lines = text.removesuffix("\n").split("\n") if text else []
        tokens = {line.removesuffix("\r"): number for number, line in enumerate(lines)}
        size = len(lines)
    else:
        body = _json_object(path, text)
        byte_level = path.name == "vocab.json" or _is_byte_level(body)
        tokens, added = _entries(body if path.name == "tokenizer.json" else {"model": {"vocab": body}}, path)
        # Not the number of tokens: ids may have gaps, and every id needs an embedding.
        size = max([*tokens.values(), *added.values()], default=-1) + 1
        if byte_level:
            # Special tokens are stored as plain text, not in the alphabet of bytes.
            tokens, marked = _of_bytes(
                tokens, special={*added, *(name for row in _OTHER_NAMES.values() for name in row)}
            )
        elif tokens and _has_marks(body):
            marked = {token[1:]: number for token, number in tokens.items() if token[:1] == WORD_START and token[1:]}
        tokens = {**tokens, **added}
    if not size:
        raise InputDataError(f"{path}: holds no vocabulary", next_step=FETCH_AGAIN)
    # Tokens come last: a marked piece stands only for characters without a piece of their own.
    ids = _with_known_names({**marked, **tokens})
    _check_characters(path, ids, byte_level=byte_level)
    return EncoderVocabulary(ids, size)


def check_specials(ids: Mapping[str, int], *, folder: Path | None = None) -> None:
    """Refuse a vocabulary that lacks a special token.

    Raises:
        StaleArtifactError: One of [CLS], [SEP], [PAD] and [UNK] is missing under every known name.
    """
    missing = [token for token in (CLS, SEP, PAD, UNK) if token not in ids]
    if missing:
        raise StaleArtifactError(
            f"{'' if folder is None else f'{folder}: '}the encoder's vocabulary has no {', '.join(missing)}",
            next_step="choose a BERT-like encoder",
        )


def _entries(body: Mapping[str, Any], path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Return the model's tokens and the added tokens."""
    model = body.get("model")
    entries = model.get("vocab") if isinstance(model, dict) else None
    try:
        if isinstance(entries, list):  # Unigram: [[piece, score], ...]
            tokens = {str(piece): number for number, (piece, _) in enumerate(entries)}
        else:
            tokens = {str(token): int(number) for token, number in (entries or {}).items()}
        added = {str(token["content"]): int(token["id"]) for token in body.get("added_tokens") or []}
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputDataError(f"{path}: its vocabulary is damaged", next_step=FETCH_AGAIN) from error
    return tokens, added


def _has_marks(body: Mapping[str, Any]) -> bool:
    """Whether pieces carry the word-start mark, as in all sentencepiece models."""
    model = body["model"]
    return isinstance(model["vocab"], list) or model.get("type") in ("Unigram", "BPE")


def _is_byte_level(body: Mapping[str, Any]) -> bool:
    return any(_holds_byte_level(body.get(part)) for part in ("pre_tokenizer", "decoder"))


def _holds_byte_level(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    inner = [*(part.get("pretokenizers") or []), *(part.get("decoders") or [])]
    return part.get("type") == "ByteLevel" or any(_holds_byte_level(one) for one in inner)


def _of_bytes(tokens: Mapping[str, int], *, special: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the pieces of whole characters as text, and those that begin with a blank without the blank."""
    letters = _byte_letters()
    kept = set(special)
    whole: dict[str, int] = {token: number for token, number in tokens.items() if token in kept}
    marked: dict[str, int] = {}
    for token, number in tokens.items():
        if token in kept:
            continue
        try:
            text = bytes(letters[letter] for letter in token).decode("utf-8")
        # The bytes are part of a character, so no character can have this id.
        except (KeyError, UnicodeDecodeError):
            continue
        whole[text] = number
        if text[:1] == " " and text[1:]:
            marked[text[1:]] = number
    return whole, marked


def _byte_letters() -> dict[str, int]:
    """Return letter → byte for GPT-2's alphabet, which has a visible letter for every byte."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + index): byte for index, byte in enumerate(hidden)}


def _with_known_names(tokens: dict[str, int]) -> dict[str, int]:
    """Rename the special tokens to BERT's names."""
    for known, others in _OTHER_NAMES.items():
        present = next((name for name in others if name in tokens), None)
        if known not in tokens and present is not None:
            tokens[known] = tokens.pop(present)
    return tokens


def _check_characters(path: Path, ids: Mapping[str, int], *, byte_level: bool) -> None:
    known = sum(len(token) == 1 and "\u4e00" <= token <= "\u9fff" for token in ids)
    if byte_level and known < MIN_WHOLE_CHARACTERS:
        raise InputDataError(
            f"{path}: byte-level vocabulary with only {known} whole Chinese characters; "
            "all others are split into several tokens, so they have no single state",
            next_step="name an encoder whose vocabulary holds Chinese characters whole",
        )
    if not known:
        raise InputDataError(
            f"{path}: holds no Chinese character, so all text would be unknown",
            next_step="name an encoder whose vocabulary holds Chinese characters",
        )


def _json_object(path: Path, text: str) -> dict[str, Any]:
    try:
        body = loads(text)
    except ValueError as error:
        raise InputDataError(f"{path}: not JSON ({error})", next_step=FETCH_AGAIN) from error
    if not isinstance(body, dict):
        raise InputDataError(f"{path}: not a JSON object", next_step=FETCH_AGAIN)
    return body

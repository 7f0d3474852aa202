"""Vocabularies as maps of characters, written by the tokenizers library itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from ssmi.pipeline.contract.encoders.vocabulary import MIN_WHOLE_CHARACTERS, encoder_vocabulary, read_vocabulary
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

COMMON = [chr(0x4E00 + index) for index in range(MIN_WHOLE_CHARACTERS)]


def _as_bytes(text: str) -> str:
    """The piece of a byte-level vocabulary that represents a text."""
    ((piece, _),) = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return str(piece)


def _byte_level(pieces: list[str]) -> Tokenizer:
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), *map(_as_bytes, pieces)]
    ids = {name: number for number, name in enumerate(dict.fromkeys(names))}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_sentencepiece_prefers_the_piece_without_a_word_start_mark(tmp_path: Path) -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁中", "中", "▁国", "▁北京", "a"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vocabulary = read_vocabulary(tmp_path)
    id_of = {token: vocabulary.ids[token] for token in ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "中", "国", "北京", "a")}
    assert id_of == {"[CLS]": 0, "[PAD]": 1, "[SEP]": 2, "[UNK]": 3, "中": 6, "国": 7, "北京": 8, "a": 9}
    assert vocabulary.size == 10
    assert "<s>" not in vocabulary.ids and "" not in vocabulary.ids


def test_wordpiece_keeps_its_continuation_marks(tmp_path: Path) -> None:
    ids = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "中": 4, "##国": 5, "▁": 6}
    Tokenizer(models.WordPiece(ids, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    assert encoder_vocabulary(tmp_path) == ids


def test_added_tokens_are_included(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "中": 1}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert encoder_vocabulary(tmp_path) == {"[UNK]": 0, "中": 1, "[CLS]": 2, "[SEP]": 3, "[PAD]": 4}


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json"])
def test_byte_level_pieces_are_used_if_they_are_whole_characters(name: str, tmp_path: Path) -> None:
    texts = ["é", " 龘", *COMMON]
    tokenizer = _byte_level(texts)
    if name == "tokenizer.json":
        tokenizer.save(str(tmp_path / name))
    else:
        (tmp_path / name).write_text(json.dumps(tokenizer.get_vocab(), ensure_ascii=False), encoding="utf-8")
    vocabulary = read_vocabulary(tmp_path)
    assert all(vocabulary.ids[text] == tokenizer.token_to_id(_as_bytes(text)) for text in texts)
    assert vocabulary.ids["龘"] == vocabulary.ids[" 龘"]
    assert vocabulary.ids["a"] == tokenizer.token_to_id("a")
    assert vocabulary.ids["[UNK]"] == tokenizer.token_to_id("<unk>")
    # "ä" as a piece is the byte 0xE4, the first byte of many characters, not a character itself
    assert "ä" not in vocabulary.ids and tokenizer.token_to_id("ä") is not None
    assert vocabulary.size == tokenizer.get_vocab_size()


@pytest.mark.parametrize("known", [0, 5, MIN_WHOLE_CHARACTERS - 1])
def test_byte_level_vocabularies_with_few_whole_characters_are_refused(known: int, tmp_path: Path) -> None:
    _byte_level(COMMON[:known]).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputDataError, match=f"with only {known} whole Chinese characters"):
        read_vocabulary(tmp_path)


def test_a_vocabulary_without_chinese_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\na\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="holds no Chinese character"):
        read_vocabulary(tmp_path)


def test_a_sentencepiece_model_alone_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "spm.model").write_bytes(b"model")
    with pytest.raises(MissingResourceError, match=r"spm\.model only") as caught:
        read_vocabulary(tmp_path)
    assert "save_pretrained" in caught.value.next_step

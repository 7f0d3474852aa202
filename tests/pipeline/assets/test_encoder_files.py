from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssmi.pipeline.assets.encoder_files import check_encoder_folder, encoder_digest
from ssmi.pipeline.contract.encoders.types import encoder_shape
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "max_position_embeddings": 64,
    "vocab_size": 6,
}


@pytest.fixture
def encoder(tmp_path: Path, cache_folder: Path) -> Path:
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "vocab.txt").write_bytes("[PAD]\n[UNK]\n中\n\u2028\n\x85\n国\n".encode())
    return folder


def test_a_vocabulary_has_one_token_per_line(encoder) -> None:
    assert encoder_vocabulary(encoder) == {"[PAD]": 0, "[UNK]": 1, "中": 2, "\u2028": 3, "\x85": 4, "国": 5}
    (encoder / "vocab.txt").write_bytes("[PAD]\r\n中\r\n".encode())
    assert encoder_vocabulary(encoder) == {"[PAD]": 0, "中": 1}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "中": 1}}}, {"[UNK]": 0, "中": 1}),
        ({"model": {"vocab": {"中": 1}}, "added_tokens": [{"id": 2, "content": "[NEW]"}]}, {"中": 1, "[NEW]": 2}),
        ({"model": {"type": "Unigram", "vocab": [["<s>", 0.0], ["中", -1.5]]}}, {"[CLS]": 0, "中": 1}),
    ],
)
def test_tokenizer_json_is_used_if_there_is_no_vocab_txt(body, expected, encoder) -> None:
    (encoder / "vocab.txt").unlink()
    (encoder / "tokenizer.json").write_text(json.dumps(body))
    check_encoder_folder(encoder)
    assert encoder_vocabulary(encoder) == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model": {"vocab": [1]}}', '{"model": {"vocab": 3}}'])
def test_a_damaged_vocabulary_is_refused(text: str, encoder) -> None:
    (encoder / "vocab.txt").unlink()
    (encoder / "tokenizer.json").write_text(text)
    with pytest.raises(InputDataError, match=r"tokenizer\.json"):
        encoder_vocabulary(encoder)


def test_an_empty_or_wrongly_encoded_vocab_txt_is_refused(encoder) -> None:
    for body in (b"", "中".encode("gb18030")):
        (encoder / "vocab.txt").write_bytes(body)
        with pytest.raises(InputDataError, match=r"vocab\.txt"):
            encoder_vocabulary(encoder)


def test_the_shape_comes_from_the_config(encoder) -> None:
    shape = encoder_shape(encoder)
    assert (shape.n_layers, shape.width, shape.max_positions) == (2, 16, 64)
    invalid: object
    for invalid in (
        {**CONFIG, "hidden_size": None},
        {**CONFIG, "num_hidden_layers": True},
        {**CONFIG, "vocab_size": 5},
        [],
    ):
        (encoder / "config.json").write_text(json.dumps(invalid))
        with pytest.raises(InputDataError, match=r"config\.json"):
            encoder_shape(encoder)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "vocab.txt"])
def test_missing_files_are_named(missing: str, encoder) -> None:
    (encoder / missing).unlink()
    (encoder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(MissingResourceError, match=missing.replace(".", r"\.")):
        check_encoder_folder(encoder)


@pytest.mark.parametrize("changed", ["config.json", "model.safetensors", "vocab.txt"])
def test_the_digest_depends_on_config_weights_and_vocabulary(changed: str, encoder) -> None:
    before = encoder_digest(encoder)
    (encoder / "README.md").write_text("said more")
    assert encoder_digest(encoder) == before
    (encoder / changed).write_bytes((encoder / changed).read_bytes() + b" ")
    assert encoder_digest(encoder) != before


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "config.json", "vocab.txt"]
)
def test_files_of_a_clone_without_git_lfs_are_named(encoder: Path, lfs_pointer: bytes, name: str) -> None:
    if "model" in name:
        (encoder / "model.safetensors").unlink()
    (encoder / name).write_bytes(lfs_pointer)
    with pytest.raises(InputDataError, match=f"{name}: a Git LFS pointer"):
        check_encoder_folder(encoder, pickled=True)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model.bin.index.json", "tokenizer.json"])
@pytest.mark.parametrize("pickled", [True, False])
def test_files_that_are_not_used_may_be_pointers(encoder: Path, lfs_pointer: bytes, name: str, pickled: bool) -> None:
    (encoder / name).write_bytes(lfs_pointer)
    check_encoder_folder(encoder, pickled=pickled)

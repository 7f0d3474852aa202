"""``pytorch_model.bin`` alone: converted once, cached by content, and only tensors are ever unpickled."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ssmi.pipeline.assets.encoder_files import encoder_files
from ssmi.pipeline.assets.resolve import describe_encoder, find_encoder
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.frozen_encoder import FrozenEncoder

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(0x4E00 + index) for index in range(20))]
TEXT = VOCABULARY[4:14]


@pytest.fixture
def folder(tmp_path: Path, cache_folder: Path, write_typed_encoder: Callable[..., Any]) -> Path:
    """An encoder with safetensors weights, next to which the tests write a pickle."""
    write_typed_encoder(tmp_path / "hfl", "bert", VOCABULARY)
    return tmp_path / "hfl"


def _states(folder: Path) -> np.ndarray[Any, Any]:
    return FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder))).states([TEXT])[0]


def _take_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights under the names of published BERTs, with a tied head, and remove the safetensors file."""
    path = folder / "model.safetensors"
    tensors = {f"bert.{name}": tensor for name, tensor in load_file(path).items()}
    path.unlink()
    words = tensors["bert.embeddings.word_embeddings.weight"]
    return {**tensors, "cls.predictions.decoder.weight": words, "cls.predictions.bias": words[:, 0]}


def test_a_pickle_of_tensors_is_converted_and_noted_once(folder: Path, tmp_path: Path, reporter: Any) -> None:
    expected = _states(folder)
    torch.save(_take_weights(folder), folder / "pytorch_model.bin")
    assert describe_encoder("hfl", root=tmp_path).startswith("bert, 3 layers of width 32")
    before = sorted(folder.iterdir())
    first = find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    assert len(reporter.notes) == 1 and "pytorch_model.bin is converted" in reporter.notes[0]
    assert first.path.is_relative_to(tmp_path / "cache") and sorted(folder.iterdir()) == before
    np.testing.assert_allclose(_states(first.path), expected, atol=1e-6)
    shutil.copytree(folder, tmp_path / "elsewhere")
    copied = find_encoder("elsewhere", revision=None, root=tmp_path, reporter=reporter)
    assert (copied.path, copied.digest) == (first.path, first.digest)
    assert len(reporter.notes) == 1
    assert {path.name for path in encoder_files(first.path)} == {"config.json", "model.safetensors", "vocab.txt"}


def test_other_content_is_another_encoder(folder: Path, tmp_path: Path, reporter: Any) -> None:
    tensors = _take_weights(folder)
    torch.save(tensors, folder / "pytorch_model.bin")
    first = find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    torch.save({name: tensor + 1 for name, tensor in tensors.items()}, folder / "pytorch_model.bin")
    second = find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    assert first.digest != second.digest and first.path != second.path and len(reporter.notes) == 2


def test_safetensors_take_precedence_over_a_pickle(folder: Path, tmp_path: Path, reporter: Any) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    assert find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter).path == folder
    assert not reporter.notes


def test_weights_in_several_pickles_are_converted(folder: Path, tmp_path: Path, reporter: Any) -> None:
    expected = _states(folder)
    tensors = _take_weights(folder)
    places = {name: f"pytorch_model-0000{1 + index % 2}-of-00002.bin" for index, name in enumerate(sorted(tensors))}
    for file in sorted(set(places.values())):
        torch.save({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    encoder = find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    np.testing.assert_allclose(_states(encoder.path), expected, atol=1e-6)
    assert len(encoder_files(encoder.path)) == 5


class _MaliciousPickle:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be called",))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"weight": _MaliciousPickle()}, "contains tensors only"),
        ([1, 2], "holds no named weights"),
        ({}, "holds no named weights"),
        ({"epoch": 3, "weight": torch.ones(2)}, "'epoch' is not a tensor"),
        (b"PK\x03\x04 cut off", "contains tensors only"),
        (b"", "contains tensors only"),
        (pickle.dumps(_MaliciousPickle()), "contains tensors only"),
    ],
    ids=["a call", "a list", "no weights", "a number", "truncated", "empty", "a plain pickle"],
)
def test_pickles_of_anything_but_tensors_are_refused(
    body: Any, message: str, folder: Path, tmp_path: Path, reporter: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    if isinstance(body, bytes):
        path.write_bytes(body)
    else:
        stream = io.BytesIO()
        torch.save(body, stream)
        path.write_bytes(stream.getvalue())
    with pytest.raises(InputDataError, match=message):
        find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    assert "this must never be called" not in capfd.readouterr().out
    assert not list((tmp_path / "cache").glob("converted/*"))


def test_an_unsupported_type_is_refused_before_conversion(folder: Path, tmp_path: Path, reporter: Any) -> None:
    torch.save(_take_weights(folder), folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(InputDataError, match="'gpt2'"):
        find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)
    assert not reporter.notes
    assert "'gpt2'" in describe_encoder("hfl", root=tmp_path)
    assert describe_encoder("./none", root=tmp_path) == "no such folder"
    assert "hub" in describe_encoder("owner/model", root=tmp_path)


@pytest.mark.parametrize("part", ["../elsewhere.safetensors", "/etc/passwd", "..", ""])
def test_an_index_that_names_files_outside_the_folder_is_refused(
    part: str, folder: Path, tmp_path: Path, reporter: Any
) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": part}}))
    with pytest.raises(InputDataError, match="not a file beside it"):
        find_encoder("hfl", revision=None, root=tmp_path, reporter=reporter)

"""Encoder folders: what their digest depends on, and what is reported about an encoder without fetching anything."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.assets.encoders import describe_encoder, encoder_recipe, find_encoder
from ssmi.pipeline.assets.registry import ASSETS
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError

SIZES = {"num_hidden_layers": 3, "hidden_size": 24, "max_position_embeddings": 40, "vocab_size": 5}
DESCRIPTION = "bert, 3 layers of width 24, up to 38 characters at once"


@pytest.fixture
def project(tmp_path: Path, cache_folder: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def _encoder(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **SIZES, **config}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n中\n", encoding="utf-8")
    return folder


def test_the_same_files_elsewhere_are_the_same_encoder(project: Path, reporter: Any) -> None:
    folder = _encoder(project / "models" / "bert")
    first = find_encoder("models/bert", revision=None, root=project, reporter=reporter)
    copied = shutil.copytree(folder, project / "copied")
    (copied / "README.md").write_text("more words", encoding="utf-8")
    second = find_encoder("copied/", revision="any", root=project, reporter=reporter)
    assert (first.name, second.name) == ("bert", "copied")
    assert (first.digest, first.shape) == (second.digest, second.shape)
    (copied / "model.safetensors").write_bytes(b"others")
    assert find_encoder("copied", revision=None, root=project, reporter=reporter).digest != first.digest
    assert first.description == DESCRIPTION


def test_missing_files_are_reported_with_the_path(project: Path, reporter: Any) -> None:
    folder = _encoder(project / "bert")
    (folder / "model.safetensors").unlink()
    (folder / "vocab.txt").unlink()
    with pytest.raises(MissingResourceError) as caught:
        find_encoder("bert", revision=None, root=project, reporter=reporter)
    assert caught.value.message.startswith(f"{folder}: not an encoder: it lacks model.safetensors, vocab.txt")
    assert describe_encoder("bert", root=project).endswith(caught.value.message.partition(": ")[2])


def test_an_unsupported_type_is_refused_and_described_alike(project: Path, reporter: Any) -> None:
    _encoder(project / "gpt", model_type="gpt2")
    with pytest.raises(InputDataError, match="gpt2") as caught:
        find_encoder("gpt", revision=None, root=project, reporter=reporter)
    assert describe_encoder("gpt", root=project) == caught.value.message


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("bert", DESCRIPTION),
        ("./bert", DESCRIPTION),
        ("./none", "no such folder"),
        ("a/b/c", "no such folder"),
        ("owner/model", "a model of the hub, asked for when features are built"),
        ("bert-base-chinese", "a model of the hub, asked for when features are built"),
        ("e5-small-zh", "not fetched"),
    ],
)
def test_an_encoder_is_described_without_fetching(
    project: Path, cache_folder: Path, name: str, description: str
) -> None:
    _encoder(project / "bert")
    assert describe_encoder(name, root=project) == description
    assert not cache_folder.exists()


def test_a_listed_encoder_takes_precedence_over_a_folder_of_that_name(project: Path) -> None:
    _encoder(project / "e5-small-zh")
    assert describe_encoder("e5-small-zh", root=project) == "not fetched"
    assert describe_encoder("./e5-small-zh", root=project) == DESCRIPTION


def test_the_recipe_depends_only_on_the_source() -> None:
    asset = ASSETS["e5-small-zh"]
    assert asset.package is not None
    same = replace(asset, description="other words", licence="another", by_hand="elsewhere")
    other = replace(asset, package=replace(asset.package, member_sha256="0" * 64))
    assert encoder_recipe(same) == encoder_recipe(asset) != encoder_recipe(other)
    assert encoder_recipe(asset) != asset.recipe, "a converted copy is not taken for the source"

"""A checkpoint comes back as it was saved, and nothing is read of one that is not as it was saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ssmi.model.data.shards import open_shards
from ssmi.model.runs import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import CheckpointMetadata
from ssmi.model.training.train import train
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def saved_once(
    tmp_path_factory: pytest.TempPathFactory,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
) -> tuple[Path, Path]:
    """The checkpoint of a run of one step, and its shards. Read only."""
    folder = tmp_path_factory.mktemp("saved")
    shards = write_shards(folder / "shards", {"train": sentences, "dev": sentences[:4]})
    params = make_params(model__encoder="finetune", train__epochs=1, train__max_steps=1)
    train(shards=shards, encoder=encoder_folder, run=folder / "run", params=params, reporter=Silent())
    return folder / "run" / "checkpoint", shards


@pytest.fixture
def saved(saved_once: tuple[Path, Path], tmp_path: Path) -> Path:
    """A checkpoint of one's own."""
    shutil.copytree(saved_once[0], tmp_path / "run" / "checkpoint")
    return tmp_path / "run" / "checkpoint"


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _digest_again(folder: Path) -> None:
    """Make files.json say what is there, as somebody does who changes a checkpoint on purpose."""
    names = sorted(name for name in _contents(folder) if name != "files.json")
    (folder / "files.json").write_text(json.dumps({name: digest_file(folder / name) for name in names}))


def test_saving_what_was_loaded_gives_the_same_bytes(saved_once: tuple[Path, Path], tmp_path: Path) -> None:
    folder, shards = saved_once
    opened = open_shards(shards)
    loaded = checkpoints.load(folder, shards=opened)
    again = tmp_path / "run" / "checkpoint"
    checkpoints.save(again, network=loaded.network, params=loaded.params, shards=opened, metadata=loaded.metadata)
    assert _contents(again) == _contents(folder)
    assert checkpoints.digest(again) == checkpoints.digest(folder)
    assert checkpoints.read_metadata(again) == loaded.metadata


def test_without_shards_it_is_the_same_network(saved_once: tuple[Path, Path]) -> None:
    folder, shards = saved_once
    alone, beside = checkpoints.load_alone(folder), checkpoints.load(folder, shards=open_shards(shards))
    for one, other in zip(
        alone.checkpoint.network.state_dict().items(), beside.network.state_dict().items(), strict=True
    ):
        assert one[0] == other[0] and torch.equal(one[1], other[1])
    assert (alone.checkpoint.params, alone.checkpoint.labels) == (beside.params, beside.labels)
    assert alone.checkpoint.boundaries.ids.tolist() == beside.boundaries.ids.tolist()
    assert alone.shards.dataset == "tiny"


def test_weights_are_put_back(saved_once: tuple[Path, Path]) -> None:
    network = checkpoints.load_alone(saved_once[0]).checkpoint.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    checkpoints.restore(saved_once[0], network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


FILES = (
    *("checkpoint.json", "params.json", "labels.json", "model.safetensors", "shards/manifest.json"),
    *("encoder/config.json", "encoder/vocab.txt"),
)


def test_these_are_its_files(saved_once: tuple[Path, Path]) -> None:
    assert set(_contents(saved_once[0])) == {*FILES, "files.json"}
    assert set(json.loads((saved_once[0] / "files.json").read_text())) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_one_byte_more_or_a_file_less(saved: Path, name: str) -> None:
    """White space at the end changes no meaning of most of them, and is refused all the same."""
    path = saved / name
    before = digest_file(path)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(StaleArtifactError) as refused:
        checkpoints.load_alone(saved)
    assert refused.value.message == f"damaged: {path} is {digest_file(path)[:12]}, {before[:12]} was saved"
    assert refused.value.next_step == "train again, or bring the run over whole"
    path.unlink()
    kind = MissingResourceError if name == "checkpoint.json" else StaleArtifactError
    with pytest.raises(kind) as missing:
        checkpoints.load_alone(saved)
    assert kind is MissingResourceError or f"{path} is missing, {before[:12]} was saved" in missing.value.message


def test_a_file_that_does_not_belong_to_it(saved: Path) -> None:
    (saved / "encoder" / "added.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"encoder/added\.json is [0-9a-f]{12}, no such file was saved"):
        checkpoints.load_alone(saved)


def test_without_its_list_of_files(saved: Path) -> None:
    (saved / "files.json").unlink()
    for read in (checkpoints.load_alone, checkpoints.digest):
        with pytest.raises(StaleArtifactError, match=r"files\.json: damaged"):
            read(saved)
    (saved / "files.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="not an object"):
        checkpoints.load_alone(saved)


def test_the_manifest_of_other_shards(saved: Path) -> None:
    """Even where the list of files says that it belongs here."""
    path = saved / "shards" / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    _digest_again(saved)
    with pytest.raises(
        StaleArtifactError, match=r"shards: damaged \(not the manifest [0-9a-f]{12} that checkpoint.json"
    ):
        checkpoints.load_alone(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers(saved: Path, value: float) -> None:
    path = saved / "model.safetensors"
    tensors = load_file(path)
    name = max(tensors, key=lambda name: tensors[name].is_floating_point() and tensors[name].numel())
    tensors[name].view(-1)[-1] = value
    save_file(tensors, path)
    _digest_again(saved)
    with pytest.raises(StaleArtifactError, match="weights that are not finite numbers"):
        checkpoints.load_alone(saved)


def test_weights_of_another_network(saved: Path) -> None:
    path = saved / "model.safetensors"
    tensors = load_file(path)
    tensors.pop(max(name for name in tensors if name.startswith("crf")))
    save_file(tensors, path)
    _digest_again(saved)
    with pytest.raises(StaleArtifactError, match=r"model\.safetensors: damaged \(Error"):
        checkpoints.load_alone(saved)


def test_a_save_that_fails_leaves_what_was_there(saved: Path, saved_once: tuple[Path, Path]) -> None:
    loaded = checkpoints.load_alone(saved).checkpoint
    opened = open_shards(saved_once[1])
    before = _contents(saved)
    fingerprint = replace(loaded.metadata.fingerprint, parameters={"x": object()})
    unwritable = loaded.metadata.model_copy(update={"fingerprint": fingerprint})
    with pytest.raises(Exception, match="serialize"):
        checkpoints.save(saved, network=loaded.network, params=loaded.params, shards=opened, metadata=unwritable)
    assert _contents(saved) == before
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


def test_metadata_names_every_key_that_is_wrong(saved: Path) -> None:
    path = saved / "checkpoint.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["shards"]
    path.write_text(json.dumps({**body, "best_epoch": "second", "extra": 1}), encoding="utf-8")
    with pytest.raises(StaleArtifactError) as refused:
        checkpoints.read_metadata(saved)
    assert all(key in refused.value.message for key in ("shards: ", "best_epoch: ", "extra: "))
    assert set(CheckpointMetadata.model_fields) >= set(body)


def test_parameters_that_this_version_does_not_know(saved: Path) -> None:
    path = saved / "params.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["model"]["gru_layers"] = 2
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(ParameterError) as refused:
        checkpoints.read_params(saved)
    assert refused.value.message.startswith(f"{path}: model.gru_layers: unknown key")
    path.unlink()
    with pytest.raises(StaleArtifactError, match=r"params\.json: damaged"):
        checkpoints.read_params(saved)
    shutil.rmtree(saved)
    for read in (checkpoints.read_params, checkpoints.read_metadata, checkpoints.digest):
        with pytest.raises(MissingResourceError, match="no checkpoint"):
            read(saved)

"""A checkpoint loads as it was saved, and a changed checkpoint is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ssmi.configurations import find
from ssmi.model.data.batches import collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.network.requirements import required_features
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.fit import check_fit
from ssmi.model.training.train import train
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]


def test_saving_a_loaded_checkpoint_gives_the_same_bytes(
    saved_once: tuple[Path, Path], tmp_path: Path, contents: Make
) -> None:
    folder, shards = saved_once
    opened = open_shards(shards)
    loaded = checkpoints.load(folder, shards=opened)
    again = tmp_path / "run" / "checkpoint"
    checkpoints.save(again, network=loaded.network, params=loaded.params, shards=opened, metadata=loaded.metadata)
    assert contents(again) == contents(folder)
    assert checkpoint_files.digest(again) == checkpoint_files.digest(folder)
    assert checkpoint_files.read_metadata(again) == loaded.metadata


def test_loading_without_shards_gives_the_same_network(saved_once: tuple[Path, Path]) -> None:
    folder, shards = saved_once
    without_shards, with_shards = checkpoints.load_alone(folder), checkpoints.load(folder, shards=open_shards(shards))
    for one, other in zip(
        without_shards.checkpoint.network.state_dict().items(), with_shards.network.state_dict().items(), strict=True
    ):
        assert one[0] == other[0] and torch.equal(one[1], other[1])
    assert (without_shards.checkpoint.params, without_shards.checkpoint.labels) == (
        with_shards.params,
        with_shards.labels,
    )
    assert without_shards.checkpoint.boundaries.ids.tolist() == with_shards.boundaries.ids.tolist()
    assert without_shards.shards.dataset == "tiny"


def test_restore_resets_the_weights(saved_once: tuple[Path, Path]) -> None:
    network = checkpoints.load_alone(saved_once[0]).checkpoint.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    checkpoints.restore(saved_once[0], network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_manifest_of_other_shards_is_refused(saved: Path, rewrite_digests: Make) -> None:
    """Refused even if the list of files has the manifest's digest."""
    path = saved / "shards" / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    rewrite_digests(saved)
    with pytest.raises(
        StaleArtifactError, match=r"shards: damaged \(not the manifest [0-9a-f]{12} that checkpoint.json"
    ):
        checkpoints.load_alone(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_refused(saved: Path, value: float, rewrite_digests: Make) -> None:
    path = saved / "model.safetensors"
    tensors = load_file(path)
    name = max(tensors, key=lambda name: tensors[name].is_floating_point() and tensors[name].numel())
    tensors[name].view(-1)[-1] = value
    save_file(tensors, path)
    rewrite_digests(saved)
    with pytest.raises(StaleArtifactError, match="weights that are not finite numbers"):
        checkpoints.load_alone(saved)


def test_run_from_before_span_heads_loads_unchanged(saved: Path, rewrite_digests: Make) -> None:
    current = checkpoints.load_alone(saved).checkpoint
    path = saved / "params.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    for name in ("head", "span_width", "span_smoothing", "span_smoothing_distance"):
        del tree["model"][name]
    path.write_text(json.dumps(tree), encoding="utf-8")
    rewrite_digests(saved)
    before = checkpoints.load_alone(saved).checkpoint
    assert before.params == current.params and before.params.model.head == "crf"
    assert before.network.span is None and before.network.crf is not None
    assert not any(
        name.startswith("model.span") or name == "model.head" for name in current.metadata.fingerprint.parameters
    )


def test_span_head_keeps_its_longest_training_span(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    shards = write_shards(tmp_path / "shards", {"train": sentences[:3], "dev": sentences[:4]})
    params = find("span").apply(make_params(train__epochs=1, train__max_steps=1))
    train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    folder = tmp_path / "run" / "checkpoint"
    without_shards, with_shards = (
        checkpoints.load_alone(folder).checkpoint,
        checkpoints.load(folder, shards=open_shards(shards)),
    )
    for checkpoint in (without_shards, with_shards):
        assert checkpoint.network.span is not None and checkpoint.network.span.scorer.longest == 3, (
            "人民公园 is only in dev"
        )
        assert checkpoint.params.model.head == "span" == checkpoint.metadata.fingerprint.parameters["model.head"]
    assert not any(name.startswith(("tags.", "crf.")) for name in without_shards.network.state_dict())


def test_weights_of_another_network_are_refused(saved: Path, rewrite_digests: Make) -> None:
    path = saved / "model.safetensors"
    tensors = load_file(path)
    tensors.pop(max(name for name in tensors if name.startswith("crf")))
    save_file(tensors, path)
    rewrite_digests(saved)
    with pytest.raises(StaleArtifactError, match=r"model\.safetensors: damaged \(Error"):
        checkpoints.load_alone(saved)


def test_failed_save_leaves_the_checkpoint_unchanged(
    saved: Path, saved_once: tuple[Path, Path], contents: Make
) -> None:
    loaded = checkpoints.load_alone(saved).checkpoint
    opened = open_shards(saved_once[1])
    before = contents(saved)
    fingerprint = replace(loaded.metadata.fingerprint, parameters={"x": object()})
    unwritable = loaded.metadata.model_copy(update={"fingerprint": fingerprint})
    with pytest.raises(Exception, match="serialize"):
        checkpoints.save(saved, network=loaded.network, params=loaded.params, shards=opened, metadata=unwritable)
    assert contents(saved) == before
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("name", ["softlexicon", "lebert"])
def test_words_unseen_in_training_are_used(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make, name: str
) -> None:
    shards = write_shards(tmp_path / "shards", {"train": sentences, "dev": sentences[:4]})
    params = find(name).apply(make_params(train__epochs=1, train__max_steps=1))
    train(shards=shards, encoder=encoder_folder, run=tmp_path / "run", params=params, reporter=Silent())
    folder = tmp_path / "run" / "checkpoint"
    new = replace(sentences[0], matches=((0, 2, 7), (1, 4, 33)))
    others = open_shards(write_shards(tmp_path / "others", {"test": [new, replace(new, matches=((0, 2, 7),))]}))
    loaded = checkpoints.load(folder, shards=others)
    without_shards = checkpoints.load_alone(folder).checkpoint
    assert loaded.boundaries.ids.tolist() == [*without_shards.boundaries.ids.tolist(), 33]
    split = read_split(others, "test", boundaries=loaded.boundaries, required=required_features(loaded.params.model))
    with torch.no_grad():
        emissions = loaded.network.eval().emissions(collate(split, np.array([0, 1])))
    assert not torch.allclose(emissions[0], emissions[1])
    plain = open_shards(write_shards(tmp_path / "plain", {"test": [new]}, matches=False))
    with pytest.raises(StaleArtifactError, match=rf"no matches, which model\.lexicon: {name} reads"):
        check_fit(folder, plain)


def test_shards_without_matches_are_accepted_if_none_are_read(
    saved_once: tuple[Path, Path], tmp_path: Path, write_shards: Make, sentences: list[Any]
) -> None:
    plain = open_shards(write_shards(tmp_path / "plain", {"test": sentences}, matches=False))
    check_fit(saved_once[0], plain)
    checkpoints.load(saved_once[0], shards=plain)

"""Changed files of a checkpoint are refused, and the contents of each file are checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.storage.digests import SEAL, seal

Make = Callable[..., Any]

FILES = (
    *("checkpoint.json", "params.json", "labels.json", "model.safetensors", "shards/manifest.json"),
    *("encoder/config.json", "encoder/vocab.txt"),
)


def test_checkpoint_has_exactly_these_files(saved_once: tuple[Path, Path], contents: Make) -> None:
    assert set(contents(saved_once[0])) == {*FILES, "files.json"}
    assert set(json.loads((saved_once[0] / "files.json").read_text())) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_changed_or_missing_file_is_refused(saved: Path, name: str) -> None:
    """Trailing white space is refused although it leaves the meaning of most files unchanged."""
    path = saved / name
    before = digest_file(path)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(StaleArtifactError) as refused:
        checkpoints.load_alone(saved)
    assert refused.value.message == f"damaged: {path} is {digest_file(path)[:12]}, {before[:12]} was saved"
    assert refused.value.next_step == "train again, or copy the complete run folder again"
    path.unlink()
    kind = MissingResourceError if name == "checkpoint.json" else StaleArtifactError
    with pytest.raises(kind) as missing:
        checkpoints.load_alone(saved)
    assert kind is MissingResourceError or f"{path} is missing, {before[:12]} was saved" in missing.value.message


def test_unexpected_file_is_refused(saved: Path) -> None:
    (saved / "encoder" / "added.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"encoder/added\.json is [0-9a-f]{12}, no such file was saved"):
        checkpoints.load_alone(saved)


def test_missing_or_invalid_list_of_files_is_refused(saved: Path) -> None:
    (saved / "files.json").unlink()
    for read in (checkpoints.load_alone, checkpoint_files.digest):
        with pytest.raises(StaleArtifactError, match=r"files\.json: damaged"):
            read(saved)
    (saved / "files.json").write_text("[]", encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="not an object"):
        checkpoints.load_alone(saved)


def test_every_invalid_metadata_key_is_reported(saved: Path) -> None:
    path = saved / "checkpoint.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["shards"], body[SEAL]
    path.write_text(json.dumps(seal({**body, "best_epoch": "second", "extra": 1})), encoding="utf-8")
    with pytest.raises(StaleArtifactError) as refused:
        checkpoint_files.read_metadata(saved)
    assert all(key in refused.value.message for key in ("shards: ", "best_epoch: ", "extra: "))
    assert set(CheckpointMetadata.model_fields) >= set(body)


def test_unknown_parameters_are_refused(saved: Path) -> None:
    path = saved / "params.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["model"]["gru_layers"] = 2
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(ParameterError) as refused:
        checkpoint_files.read_params(saved)
    assert refused.value.message.startswith(f"{path}: model.gru_layers: unknown key")
    path.unlink()
    with pytest.raises(StaleArtifactError, match=r"params\.json: damaged"):
        checkpoint_files.read_params(saved)
    shutil.rmtree(saved)
    for read in (checkpoint_files.read_params, checkpoint_files.read_metadata, checkpoint_files.digest):
        with pytest.raises(MissingResourceError, match="no checkpoint"):
            read(saved)

"""A checkpoint on disk, made once per session, and a copy of it per test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmi.model.training.train import train
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def saved_once(
    tmp_path_factory: pytest.TempPathFactory,
    write_shards: Make,
    sentences: list[Any],
    encoder_folder: Path,
    make_params: Make,
) -> tuple[Path, Path]:
    """The checkpoint of a one-step run, and its shards; tests must not change either."""
    folder = tmp_path_factory.mktemp("saved")
    shards = write_shards(folder / "shards", {"train": sentences, "dev": sentences[:4]})
    params = make_params(model__encoder="finetune", train__epochs=1, train__max_steps=1)
    train(shards=shards, encoder=encoder_folder, run=folder / "run", params=params, reporter=Silent())
    return folder / "run" / "checkpoint", shards


@pytest.fixture
def saved(saved_once: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the checkpoint that the test may change."""
    shutil.copytree(saved_once[0], tmp_path / "run" / "checkpoint")
    return tmp_path / "run" / "checkpoint"


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Read the bytes of every file in a folder, by path relative to the folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture(scope="session")
def rewrite_digests(contents: Callable[[Path], dict[str, bytes]]) -> Callable[[Path], None]:
    """Rewrite files.json to match the files in the folder, so that a deliberate change is not refused as damage."""

    def write(folder: Path) -> None:
        names = sorted(name for name in contents(folder) if name != "files.json")
        (folder / "files.json").write_text(json.dumps({name: digest_file(folder / name) for name in names}))

    return write

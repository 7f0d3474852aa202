"""What a bug report or a first hour needs to know of this machine and of a project."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from ssmi.pipeline.assets.cache import cache_root
from ssmi.pipeline.assets.resolve import AssetStatus, encoder_at_hand, list_assets
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError
from ssmi.workspace import Workspace, find_root

# Names of distributions, by which metadata finds versions; modules may have other names (torchcrf).
LIBRARIES = (
    "torch", "transformers", "pyarrow", "polars", "duckdb", "dask", "gensim", "jieba", "rjieba", "daachorse",
    "pytorch-crf", "safetensors", "dvc",
)  # fmt: skip
PACKAGES = ("ssmi", "ssmi.pipeline", "ssmi.model", "ssmi.cli")
"""Packages of which the report says where they were imported from."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is installed, found and missing.

    Attributes:
        python: The interpreter's version.
        cpu_cores: As the system counts them; None where it does not say.
        libraries: Name → version; None for one that is missing.
        packages: Name of a package → the file that it is imported from; None for one that is not found.
        project: The project's folder; None outside any.
        cache: Where fetched files are kept.
        data_folder: What ``SSMI_DATA`` names, or what is wrong with it; None where it is not set.
        encoder: What ``encoder.name`` is, or what is wrong with it, in words.
        graphics_card: Its name; None where torch sees none.
        assets: Every listed data set, vectors and encoder.

    """

    python: str
    cpu_cores: int | None
    libraries: Mapping[str, str | None]
    packages: Mapping[str, str | None]
    project: Path | None
    cache: Path
    data_folder: str | None
    encoder: str
    graphics_card: str | None
    assets: tuple[AssetStatus, ...]


def diagnose(start: Path, *, upward: bool = True) -> Diagnosis:
    """Look at this machine, and at the project in a folder where there is one.

    Args:
        start: The folder.
        upward: Whether the project may also be above it.

    """
    # No project, or one whose params.yaml is wrong, is something to report here, not a failure.
    root: Path | None = None
    try:
        root = find_root(start, upward=upward)
        encoder = _encoder(Workspace(root))
    except SsmiError as error:
        encoder = error.message
    data_folder, assets = os.environ.get("SSMI_DATA"), tuple[AssetStatus, ...]()
    try:
        assets = tuple(list_assets(root=root or Path.cwd()))
    except MissingResourceError as error:  # a wrong SSMI_DATA is what a person may be looking for
        data_folder = error.message
    return Diagnosis(
        python=platform.python_version(),
        cpu_cores=os.cpu_count(),
        libraries={name: _version(name) for name in LIBRARIES},
        packages={name: getattr(util.find_spec(name), "origin", None) for name in PACKAGES},
        project=root,
        cache=cache_root(),
        data_folder=data_folder,
        encoder=encoder,
        graphics_card=_graphics_card(),
        assets=assets,
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _encoder(workspace: Workspace) -> str:
    name = workspace.params().encoder.name
    return f"{name}: {encoder_at_hand(name, root=workspace.root)}"


def _graphics_card() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None

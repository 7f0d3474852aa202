"""Diagnosis of this machine and of a project, for bug reports and new installations."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from ssmi.pipeline.assets.cache import cache_root
from ssmi.pipeline.assets.resolve import AssetStatus, describe_encoder, list_assets
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError
from ssmi.workspace import Workspace, find_root

# Distribution names, by which importlib.metadata finds versions; the modules may be called otherwise (torchcrf).
LIBRARIES = (
    "torch", "transformers", "pyarrow", "polars", "duckdb", "dask", "gensim", "jieba", "rjieba", "daachorse",
    "pytorch-crf", "safetensors", "dvc",
)  # fmt: skip
PACKAGES = ("ssmi", "ssmi.pipeline", "ssmi.model", "ssmi.cli")
"""Packages whose import location the report gives."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is installed, found and missing on this machine.

    Attributes:
        python: Version of the Python interpreter.
        cpu_cores: Number of CPU cores according to the operating system; None if unknown.
        libraries: Library → version; None for a missing library.
        packages: Package → the file it is imported from; None for a package that is not found.
        project: The project folder; None outside of a project.
        cache: The folder of fetched files.
        data_folder: The value of ``SSMI_DATA``, or what is wrong with it; None if it is not set.
        encoder: The value of ``encoder.name`` and where the encoder is, or what is wrong, in words.
        graphics_card: Name of the GPU; None if torch does not find one.
        assets: Status of every listed data set, vectors and encoder.

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


@checked
def diagnose(folder: str | Path = ".", *, upward: bool = True) -> Diagnosis:
    """Diagnose this machine and, if there is one, the project.

    Args:
        folder: The folder in which to look for the project.
        upward: Whether to look in the folders above ``folder`` too.

    Returns:
        Versions, folders and assets; what is missing or wrong is part of it, and raises no error.

    """
    # A missing project or an invalid params.yaml is a finding to report here, not a failure.
    root: Path | None = None
    try:
        root = find_root(Path(folder), upward=upward)
        encoder = _encoder(Workspace(root))
    except SsmiError as error:
        encoder = error.message
    data_folder, assets = os.environ.get("SSMI_DATA"), tuple[AssetStatus, ...]()
    try:
        assets = tuple(list_assets(root=root or Path.cwd()))
    except MissingResourceError as error:  # a wrong SSMI_DATA is a finding too
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
    return f"{name}: {describe_encoder(name, root=workspace.root)}"


def _graphics_card() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None

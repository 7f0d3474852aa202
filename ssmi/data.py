"""Data sets, vectors and encoders: list and fetch them, convert a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets import corpora, registry, resolve
from ssmi.pipeline.assets.folders import options_given
from ssmi.pipeline.assets.registry import Kind
from ssmi.pipeline.assets.resolve import AssetStatus
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, closest_name
from ssmi.pipeline.contract.labels import TagScheme
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.readers import ReadReport
from ssmi.workspace import find_root

__all__ = ["AssetStatus", "Fetched", "ReadReport", "convert", "corpus_names", "dataset_names", "fetch", "list_assets"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An asset that is available on this machine.

    Attributes:
        kind: Kind of asset: ``dataset``, ``vectors`` or ``encoder``.
        files: The files of a data set by split; for vectors and encoders a single path under the name of the kind.

    """

    kind: Kind
    files: Mapping[str, Path]


def dataset_names(root: Path) -> set[str]:
    """Return the names of the listed data sets and of the folders in ``SSMI_DATA`` and in the project's ``data``."""
    names = set(registry.names("dataset"))
    parents = [Path(named).expanduser()] if (named := os.environ.get("SSMI_DATA")) else []
    for parent in (*parents, root / "data"):
        if parent.is_dir():
            names |= {folder.name for folder in parent.iterdir() if folder.is_dir() and folder.name[0] != "."}
    return names


def corpus_names(root: Path, *, listed: Sequence[str]) -> set[str]:
    """Return the names of the corpora that ``corpora`` of params.yaml lists."""
    return corpora.listed_names(listed, root=root)


@checked
def list_assets(*, project: str | Path | None = None) -> list[AssetStatus]:
    """List the named data sets, vectors and encoders, then the data sets that only this machine has.

    Args:
        project: The project folder, whose own copies take precedence; None for the nearest folder with params.yaml
            above the working folder, or the working folder if there is none.

    Returns:
        Name, kind, source and licence of each, and where it was found. Nothing is fetched.

    Raises:
        MissingResourceError: ``project``, or the folder that ``SSMI_DATA`` names, does not exist.

    """
    return resolve.list_assets(root=_folder_of(project))


@checked
def fetch(
    name: str, *, project: str | Path | None = None, revision: str | None = None, reporter: Reporter | None = None
) -> Fetched:
    """Fetch a listed data set, vectors or encoder, or a hub model, into the cache and verify its checksums.

    Args:
        name: A listed name; any other name is taken for that of an encoder.
        project: The project folder, whose own copies take precedence; None as for ``list_assets``.
        revision: The revision of a hub model.
        reporter: Receives progress; None for silence.

    Returns:
        The kind of the asset and its files.

    Raises:
        ParameterError: ``revision`` is given for anything but a hub model.
        MissingResourceError: ``project`` does not exist, or the asset cannot be fetched, or its terms do not allow it.

    """
    root, reporter = _folder_of(project), reporter or Silent()
    assets = resolve.list_assets(root=root)
    listed: Kind | None = next((asset.kind for asset in assets if asset.name == name), None)
    if revision is not None and listed is not None:
        raise ParameterError(
            f"{name}: a listed asset, of one version; a revision is for models of the hub",
            next_step="leave the revision out",
        )
    kind: Kind = listed or "encoder"
    if kind == "dataset":
        return Fetched(kind, resolve.find_dataset(name, root=root, reporter=reporter).splits)
    if kind == "vectors":
        return Fetched(kind, {kind: resolve.find_vectors(name, root=root, reporter=reporter).path})
    try:
        return Fetched(kind, {kind: resolve.find_encoder(name, revision=revision, root=root, reporter=reporter).path})
    except MissingResourceError as error:
        close = None if listed else closest_name(name, (asset.name for asset in assets))
        if close is None:
            raise
        raise MissingResourceError(f"{error.message}; did you mean {close!r}?", next_step=error.next_step) from error


def _folder_of(project: str | Path | None) -> Path:
    if project is not None:
        folder = Path(project)
        if not folder.is_dir():
            raise MissingResourceError(f"{folder}: no such folder", next_step="correct project, or leave it out")
        return folder
    try:
        return find_root(Path())
    except MissingResourceError:
        return Path.cwd()


@checked
def convert(
    source: str | Path,
    target: str | Path,
    *,
    to: str,
    scheme: TagScheme = "BIO",
    input_format: str | None = None,
    encoding: str | None = None,
    offsets: str | None = None,
    tag_map: str | Path | Mapping[str, str] | None = None,
    labels: Iterable[str] | None = None,
    reporter: Reporter | None = None,
) -> ReadReport:
    """Convert a labelled file from any known format to another. The target is written completely or not at all.

    Args:
        source: The file to read; for brat, a folder or a pair of files.
        target: The file to write.
        to: The format of ``target``.
        scheme: The tag scheme of ``target``, for formats that hold tags.
        input_format: The format of ``source``; None infers it from the file's name or its first lines.
        encoding: The encoding of ``source``; None uses that of its byte order mark, or UTF-8 without one.
        offsets: Unit of the offsets in ``source``: ``auto``, ``code-points`` or ``utf-16``.
        tag_map: The entity types to keep and their new names, or a YAML or JSON file that holds them.
        labels: The names of tags that ``source`` gives as numbers.
        reporter: Receives progress; None for silence.

    Returns:
        How the source was read, with everything that was repaired or left out.

    Raises:
        ParameterError: A format, scheme, encoding or other option is unknown.
        MissingResourceError: The source or the target's folder does not exist.
        InputDataError: The source violates its format; the message gives ``file:line``.

    """
    from ssmi.pipeline.writers import write_converted

    options = options_given(
        input_format=input_format, encoding=encoding, offsets=offsets, tag_map=tag_map, labels=labels
    )
    with (reporter or Silent()).task("convert", total=0, unit="sentences") as advance:
        return write_converted(Path(source), Path(target), to=to, scheme=scheme, options=options, advance=advance)

"""Checks that no data set or other corpus, here or in storage, has the name by which a corpus's artifacts are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from ssmi.pipeline.assets.corpora import CorpusFiles, source_path
from ssmi.pipeline.assets.datasets import is_dataset
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import ParameterError, SsmiError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.parquet.statistics import PrepareStatistics
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages
from ssmi.pipeline.stages.corpora.texts import file_inputs

_STAGE = "prepare"
"""The stage whose manifest records what the features of a name were made from."""


def check_corpus_name(
    files: CorpusFiles,
    *,
    paths: ArtifactPaths,
    datasets: Sequence[str],
    remote: RemoteFolder | None = None,
    force: bool = False,
) -> None:
    """Refuse a corpus whose name is taken, since both would share one folder of artifacts.

    Args:
        files: The corpus.
        paths: Paths of the project.
        datasets: Names of the data sets in params.yaml.
        remote: Storage that also holds features.
        force: Whether the corpus may replace another corpus; it may never replace a data set.

    Raises:
        ParameterError: A data set has the name, or a corpus of other files from another place has it.
        MissingResourceError: ``SSMI_DATA`` names no folder, or the storage cannot be used.
    """
    prepared = paths.stage(_STAGE, files.name)
    is_prepared = any(tables.list_parts(prepared, split) for split in tables.SPLITS)
    stored = _in_storage(files.name, remote)
    if files.name in datasets or is_prepared or is_dataset(files.name, root=paths.root):
        raise ParameterError(f"corpus {files.name}: a data set has this name", next_step="give its folder another name")
    if stored is not None and not stored.is_text:
        raise ParameterError(
            f"corpus {files.name}: a data set has this name in {remote}", next_step="give its folder another name"
        )
    if not force:
        check_same_corpus(files, paths=paths)
        if stored is not None:
            _check_same_as_stored(files, stored, paths=paths)


def check_not_a_corpus_name(dataset: str, *, paths: ArtifactPaths, remote: RemoteFolder | None = None) -> None:
    """Refuse a data set whose name a corpus has, since its features would replace those of the corpus.

    Args:
        dataset: Name of the data set.
        paths: Paths of the project.
        remote: Storage that also holds features.

    Raises:
        ParameterError: A corpus was built under the name.
        MissingResourceError: The storage cannot be used.
    """
    prepared = paths.stage(_STAGE, dataset)
    stored = _in_storage(dataset, remote)
    place = ""
    if tables.list_parts(prepared, tables.TEXT):
        place = prepared.relative_to(paths.root).as_posix()
    elif stored is not None and stored.is_text:
        place = stored.place
    if place:
        raise ParameterError(
            f"data set {dataset}: the features of this name{'' if stored is None else f' in {place}'}"
            " are those of a corpus",
            next_step=f"rename one of the two, or remove {quote(place)} to build the data set in its place",
        )


def check_same_corpus(files: CorpusFiles, *, paths: ArtifactPaths) -> None:
    """Refuse files that do not belong to the corpus that was built under their name.

    Files that changed in their place, and files that were moved unchanged, still belong to the corpus.

    Raises:
        ParameterError: Both the files and their place are others.
    """
    built = _here(files.name, paths)
    # If nothing is built, or its source is not recorded, it may be this corpus.
    if built is None or built.source is None or _same_place(built.source, files.source, paths=paths):
        return
    if file_inputs(files) != built.texts:
        raise _other_texts(files, built)


def check_same_as_here(name: str, *, paths: ArtifactPaths, remote: RemoteFolder) -> None:
    """Refuse to fetch features over those of a different data set or corpus that has the same name by chance.

    Raises:
        ParameterError: The features here and in the storage are those of a data set and a corpus, or of two corpora of
            different files from different places.
        MissingResourceError: The storage cannot be used.
    """
    here, stored = _here(name, paths), _in_storage(name, remote)
    if here is None or stored is None or here.texts == stored.texts:
        return
    is_same = here.is_text == stored.is_text
    if is_same and here.source is not None and stored.source is not None:
        is_same = _same_place(here.source, stored.source, paths=paths)
    if not is_same:
        raise ParameterError(
            f"{name}: the features here are those of {here.what}, and those in {stored.place} of {stored.what}",
            next_step=f"rename one of the two, or remove {quote(here.place)} to take what the storage holds",
        )


def _check_same_as_stored(files: CorpusFiles, stored: _Built, *, paths: ArtifactPaths) -> None:
    """Do what ``check_same_corpus`` does, for a corpus in storage.

    The place is not compared, since each machine has its own files in it. Texts that changed still belong to the corpus
    if the storage holds what this machine has built or fetched of it.
    """
    here = _here(files.name, paths)
    is_known = here is not None and here.texts == stored.texts
    if not is_known and file_inputs(files) != stored.texts:
        raise _other_texts(files, stored)


def _other_texts(files: CorpusFiles, built: _Built) -> ParameterError:
    return ParameterError(
        f"corpus {files.name}: the features in {built.place} were built from {built.source or 'files elsewhere'},"
        f" and {files.source} holds other texts",
        next_step="rename one of the two, or give --force to `features build`, which puts this one in its place",
    )


@dataclass(frozen=True, slots=True)
class _Built:
    """What the features of a name were made from."""

    place: str
    """Folder of the sentences: a path below the project's folder, or a URL."""
    is_text: bool
    """Whether the features are those of a corpus, not of a data set."""
    source: str | None
    """Place of a corpus's files; None for a data set, or if it is not recorded."""
    texts: Mapping[str, str]
    """Name of each raw file → its digest."""

    @classmethod
    def of(cls, manifest: Manifest, place: str) -> _Built | None:
        """Read a manifest of ``prepare``; None if its statistics cannot be read."""
        try:
            source = PrepareStatistics.of(manifest).source
        except SsmiError:
            return None
        is_text = any(name.startswith(f"{tables.TEXT}/") for name in manifest.files)
        texts = {name: digest for name, digest in manifest.inputs.items() if name.startswith("raw/")}
        return cls(place, is_text, source, texts)

    @property
    def what(self) -> str:
        """Description of the data set or corpus, for messages."""
        if not self.is_text:
            return "a data set"
        return "a corpus" if self.source is None else f"the corpus {self.source}"


def _here(name: str, paths: ArtifactPaths) -> _Built | None:
    """What is built under a name on this machine; None if there is nothing that can be read."""
    prepared = paths.stage(_STAGE, name)
    try:
        manifest = manifests.load(prepared)
    except SsmiError:
        return None
    return _Built.of(manifest, prepared.relative_to(paths.root).as_posix())


def _in_storage(name: str, remote: RemoteFolder | None) -> _Built | None:
    """What is stored under a name; None if there is nothing that can be read, or no storage."""
    if remote is None:
        return None
    place = f"{_STAGE}/{name}"
    stored = StoredStages(remote).manifest(place)
    return None if stored is None else _Built.of(stored.manifest, f"{remote}/{place}")


def _same_place(one: str, other: str, *, paths: ArtifactPaths) -> bool:
    first, second = (source_path(source, root=paths.root) for source in (one, other))
    return first == second

"""Finished stages in storage: they are fetched from there before anything is built, and sent there once built."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages
from ssmi.pipeline.stages.corpora.names import check_same_as_here
from ssmi.pipeline.stages.running.stage import Stage, StageContext
from ssmi.pipeline.stages.running.up_to_date import is_current, matches_manifest


def is_current_anywhere(stage: Stage, context: StageContext) -> bool:
    """Whether a stage is current, here or in storage; if so, both then hold the same stage.

    Raises:
        MissingResourceError: The storage cannot be used.
    """
    if context.remote is None:
        return is_current(stage, context)
    place = place_of(stage.name, context)
    stages = StoredStages(context.remote)
    stored = stages.manifest(place)
    if stored is not None and matches_manifest(stored.manifest, stage, context):
        try:
            fetch_stages(context.remote, [stage.name], context.dataset, paths=context.paths, reporter=context.reporter)
        except (MissingResourceError, StaleArtifactError) as error:
            context.reporter.note(f"{stage.name}: the copy in storage cannot be taken ({error.message})")
            if isinstance(error, StaleArtifactError):
                stages.withdraw(place, stored.digest)
    if not is_current(stage, context):
        return False
    publish(stage, context)
    return True


def publish(stage: Stage, context: StageContext) -> None:
    """Send a finished stage to storage, if there is one."""
    if context.remote is not None:
        stored, folder = StoredStages(context.remote), context.folder(stage.name)
        stored.publish(folder, place_of(stage.name, context), reporter=context.reporter)


def fetch_stages(
    remote: RemoteFolder, stages: Iterable[str], dataset: str, *, paths: ArtifactPaths, reporter: Reporter
) -> None:
    """Replace stages on this machine with those in storage, if the storage has them and they differ.

    Args:
        remote: The storage.
        stages: Names of the stages.
        dataset: Name of the data set or corpus.
        paths: Paths of the project.
        reporter: Receives the progress of downloads.

    Raises:
        MissingResourceError: The storage cannot be used, or a file is missing from it.
        StaleArtifactError: A file in the storage is not what was written.
    """
    for stage in stages:
        folder = paths.stage(stage, dataset)
        _fetch_stage(StoredStages(remote), _place(folder, paths), folder, paths=paths, reporter=reporter)


def fetch_all_stages(remote: RemoteFolder, dataset: str, *, paths: ArtifactPaths, reporter: Reporter) -> None:
    """Do what ``fetch_stages`` does, for every stage of a data set or corpus.

    Raises:
        ParameterError: The features here and those in storage belong to different corpora, or to a corpus and a data
            set, of the same name.
        MissingResourceError: See ``fetch_stages``.
        StaleArtifactError: See ``fetch_stages``.
    """
    check_same_as_here(dataset, paths=paths, remote=remote)
    fetch_stages(remote, STAGES, dataset, paths=paths, reporter=reporter)


def place_of(stage: str, context: StageContext) -> str:
    """Path of a stage in storage: ``STAGE/DATASET``."""
    return _place(context.folder(stage), context.paths)


def _place(folder: Path, paths: ArtifactPaths) -> str:
    return folder.relative_to(paths.folder).as_posix()


def _fetch_stage(stored: StoredStages, place: str, folder: Path, *, paths: ArtifactPaths, reporter: Reporter) -> None:
    there = stored.remote.read(f"{place}/{MANIFEST_NAME}")
    if there is None or _has(folder, there):
        return
    with locked(paths.lock_of(folder), what=f"{place} is being fetched", reporter=reporter):
        if not _has(folder, there):  # another process may have fetched it while this one waited
            stored.fetch(place, folder, reporter=reporter)


def _has(folder: Path, manifest: bytes) -> bool:
    try:
        stored = manifests.read(folder)
        manifests.check_parts(stored.manifest, folder)
    except SsmiError:
        return False
    return stored.body == manifest

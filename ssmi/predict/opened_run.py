"""A trained run in memory: its network and its features. A pickled tagger opens it again in another process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.files import CHECKPOINT
from ssmi.model.text_tagging import SpanTagger
from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.parameters.limits import MAX_THREADS
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.project.process_lock import process_lock
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.online import OnlineFeatures
from ssmi.predict.packing import REPACK_ADVICE, check_pack
from ssmi.predict.run_features import feature_folders, is_packed
from ssmi.runs.lookup import nearest_project


@dataclass(frozen=True, slots=True)
class RunSource:
    """Everything that another process needs to open a run again."""

    run: Path
    project: Path | None
    device: str
    threads: int | None
    checkpoint: str
    """Digest of the run's checkpoint."""


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """Network and features of a tagger in one process."""

    source: RunSource
    features: OnlineFeatures
    spans: SpanTagger
    label_groups: LabelGroups
    process: int


def open_for_use(run: Path, *, project: Path | None, device: str, threads: int | None, reporter: Reporter) -> OpenedRun:
    """Open a run folder or a packed run; arguments and errors are those of ``open_run``."""
    # type rather than isinstance, which would accept True as 1.
    if threads is not None and not (type(threads) is int and 0 <= threads <= MAX_THREADS):
        raise ParameterError(
            f"threads={threads!r}: not a number of threads",
            next_step=f"give 1 to {MAX_THREADS}, or 0 for the physical cores",
        )
    packed = is_packed(run)
    if packed:
        check_pack(run)
    with process_lock():  # transformers changes torch's state for all threads while it builds a model
        trained = checkpoints.load_alone(run / CHECKPOINT)
    if project is None and not packed:
        project = nearest_project(run)
    folders = feature_folders(run, trained.shards, trained.checkpoint.params, project=project, reporter=reporter)
    try:
        features = OnlineFeatures(folders, shards=trained.shards)
    except StaleArtifactError as error:
        if packed:  # the recipient of a pack cannot build its features again
            raise StaleArtifactError(error.message, next_step=REPACK_ADVICE) from error
        raise
    with process_lock():
        spans = SpanTagger(
            trained.checkpoint,
            vectors=features.boundary_vectors,
            words_of=features.words,
            device=device,
            threads=threads,
        )
    source = RunSource(
        run.resolve(),
        None if project is None else project.resolve(),
        device,
        threads,
        checkpoint_files.digest(run / CHECKPOINT),
    )
    return OpenedRun(source, features, spans, ShardsStatistics.of(trained.shards).label_groups, os.getpid())


@lru_cache(maxsize=1)
def open_again(source: RunSource) -> OpenedRun:
    """Open a run that was opened in another process: once, however often its tagger is unpickled.

    Raises StaleArtifactError if the run was trained again in between.
    """
    digest = checkpoint_files.digest(source.run / CHECKPOINT)
    if digest != source.checkpoint:
        raise StaleArtifactError(
            f"{source.run}: checkpoint {short_digest(digest)}, but the tagger was pickled with "
            f"{short_digest(source.checkpoint)}",
            next_step="the run was trained again in between: open it again with ssmi.open_run",
        )
    return open_for_use(
        source.run, project=source.project, device=source.device, threads=source.threads, reporter=Silent()
    )

"""Locate the features of a run: beside its weights in a packed run, otherwise in the project that trained it.

If the project has built other features since, those that the run has kept are read (``pins``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ssmi.model.runs.files import CHECKPOINT
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.storage.digests import digest_once, short_digest
from ssmi.pipeline.online import FeatureStore
from ssmi.pipeline.online.feature_store import manifests_match
from ssmi.runs import pins
from ssmi.runs.lookup import nearest_project

FEATURES = "features"
"""Folder of a packed run with the files that ``FeatureStore.files`` names."""


def is_packed(run: Path) -> bool:
    """Whether a run folder contains its features."""
    return (run / FEATURES).is_dir()


def version(run: Path) -> str:
    """The run's name, followed by the beginning of the digest of its weights."""
    return f"{run.resolve().name}-{short_digest(digest_once(run / CHECKPOINT / 'model.safetensors'))}"


def feature_folders(
    run: Path, shards: Manifest, params: Params, *, project: Path | None, reporter: Reporter
) -> FeatureStore:
    """The folders needed to turn text into rows. They are verified against the shards when they are opened.

    Raises MissingResourceError if no project is found.
    """
    if is_packed(run):
        return FeatureStore.packed(run / FEATURES)
    current = project_folders(run, shards, params, project=project, reporter=reporter)
    kept = pins.find_pinned(run)
    if kept is None or manifests_match(current, shards):
        return current
    # A run does not keep its encoder (see pins).
    return replace(FeatureStore.packed(kept), encoder=current.encoder)


def project_folders(
    run: Path, shards: Manifest, params: Params, *, project: Path | None, reporter: Reporter
) -> FeatureStore:
    """The folders of the project, whatever they contain. Raises MissingResourceError if no project is found."""
    root = project or nearest_project(run)
    paths = ArtifactPaths(root)
    dataset = shards.dataset or ""
    encoder = find_encoder(params.encoder.name, revision=params.encoder.revision, root=root, reporter=reporter)
    user_dict = ShardsStatistics.of(shards).feature_parameters.segment.user_dict
    return FeatureStore(
        vocab=paths.vocabulary,
        embed=paths.stage("embed", dataset),
        pmi=paths.stage("pmi", dataset),
        encoder=encoder.path,
        user_dict=root / user_dict if user_dict else None,
    )

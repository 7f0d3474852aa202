"""The settings of an ablation's runs: one folder per setting, named by a digest of everything but the seed.

``runs/CONFIGURATION/SETTINGS/SEED`` is a run folder; ``params.json`` beside the seeds describes SETTINGS. A call with
other parameters therefore keeps the finished runs, and a call with the first parameters finds its runs again.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssmi.ablation.pooling import pool_metrics
from ssmi.ablation.table import SPLITS, OtherSettings
from ssmi.model.runs import json_files
from ssmi.model.runs.files import METRICS
from ssmi.model.runs.fingerprint import Fingerprint, FingerprintField, short
from ssmi.model.runs.json_files import JsonBody
from ssmi.model.runs.results import metrics_file
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage.replacing import writing

PARAMS = "params.json"
_LENGTH = 8
_NOT_FEATURES = ("corpora", "datasets", "model", "train")
"""Sections of params.yaml that shards do not depend on."""


class Description(JsonBody):
    """Content of ``params.json``: what the runs of a settings folder are made from."""

    fingerprint: FingerprintField | None
    """The fingerprint without the seed; None if the shards are not built, which is never written to a file."""
    features: dict[str, dict[str, Any]]
    """The parameters of the features in the shards, by section."""

    def feature_parameters(self) -> dict[str, Any]:
        """Return the feature parameters as ``section.key`` → value."""
        return {f"{section}.{key}": value for section, keys in self.features.items() for key, value in keys.items()}


def name_of(fingerprint: Fingerprint) -> str:
    """Return the name of the folder of all runs that differ only in their seed."""
    return digest_json(fingerprint.setting.to_json())[:_LENGTH]


def describe(params: Params, fingerprint: Fingerprint | None) -> Description:
    """Describe what runs are made from; ``fingerprint`` is None if their shards are not built."""
    features = params.model_dump(mode="json", exclude=set(_NOT_FEATURES))
    return Description(fingerprint=fingerprint and fingerprint.setting, features=features)


def write(folder: Path, body: Description) -> None:
    """Write the description of a settings folder into it."""
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / PARAMS) as temporary:
        json_files.write(temporary, body)


def others(
    runs: Path, *, configuration: str, present: str, now: Description, n_folds: int | None = None
) -> Iterator[OtherSettings]:
    """Yield the settings of a configuration that have finished runs, except those of the table.

    Args:
        runs: The folder of the runs of all configurations.
        configuration: Name of the configuration.
        present: Name of the table's settings, which are left out.
        now: Description of the table's settings, with which others are compared.
        n_folds: Number of folds, a seed being finished when all its folds are; None without folds.

    """
    for path in sorted((runs / configuration).glob(f"*/{PARAMS}")):
        if path.parent.name == present:
            continue
        metrics = dict(_finished(path.parent, n_folds=n_folds))
        try:
            differs = _differs(json_files.read(path, Description), now)
        except (OSError, ValueError):
            differs = [f"{PARAMS} cannot be read"]
        if metrics:
            scores = [of_run.by_split for of_run in metrics.values()]
            splits = [split for split in SPLITS if all(split in by_split for by_split in scores)]
            f1 = {split: statistics.fmean(by_split[split].overall.f1 for by_split in scores) for split in splits}
            yield OtherSettings(configuration, path.parent.name, differs, list(metrics), f1)


def _finished(settings: Path, *, n_folds: int | None) -> Iterator[tuple[int, RunMetrics]]:
    """Yield (seed, scores) of the finished runs of a settings folder in the order of seeds, with folds pooled."""
    # params.json is beside the seeds. Sorted by number, because 10 comes before 9 as text.
    for run in sorted((path for path in settings.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)):
        parts = [run] if n_folds is None else [run / str(fold) for fold in range(1, n_folds + 1)]
        if all((part / METRICS).is_file() for part in parts):
            metrics = list(map(metrics_file.read, parts))
            yield int(run.name), metrics[0] if n_folds is None else pool_metrics(metrics)


def _differs(then: Description, now: Description) -> list[str]:
    """Return a text such as ``train.epochs 1 (now 2)`` for each difference.

    Feature parameters that differ stand for the digests of the shards. If the shards are not built for either side,
    only feature parameters are compared.
    """
    before, after = then.feature_parameters(), now.feature_parameters()
    if then.fingerprint and now.fingerprint:
        # Other feature parameters give other shards, whose digests would repeat the difference less clearly.
        entries = Fingerprint.to_json if before == after else Fingerprint.without_shards
        before, after = before | entries(then.fingerprint), after | entries(now.fingerprint)
    differing = [
        f"{name} {short(before.get(name))} (now {short(after.get(name))})"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return differing or ["its features are not built"]

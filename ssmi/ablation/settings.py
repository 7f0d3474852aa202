"""The settings that an ablation's runs were made with: a folder for each, named by a digest of what makes the runs.

``runs/CONFIGURATION/SETTINGS/SEED`` is a run folder; ``params.json`` beside the seeds says what SETTINGS stands for.
So a call with other parameters takes no finished run away, and one with the first parameters finds its runs again.
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
"""Parts of params.yaml that shards do not depend on."""


class Description(JsonBody):
    """``params.json``: what the runs of a settings folder are made from."""

    fingerprint: FingerprintField | None
    """Without the seed; None, which is never written, where the shards are not built."""
    features: dict[str, dict[str, Any]]
    """The parameters of the features in the shards, by section."""

    def feature_parameters(self) -> dict[str, Any]:
        """``section.key`` → value."""
        return {f"{section}.{key}": value for section, keys in self.features.items() for key, value in keys.items()}


def name_of(fingerprint: Fingerprint) -> str:
    """The name of the folder of all runs that differ in the seed alone."""
    return digest_json(fingerprint.setting.to_json())[:_LENGTH]


def describe(params: Params, fingerprint: Fingerprint | None) -> Description:
    """What the runs are made from; ``fingerprint`` is None where there are no shards that they could be made from."""
    features = params.model_dump(mode="json", exclude=set(_NOT_FEATURES))
    return Description(fingerprint=fingerprint and fingerprint.setting, features=features)


def write(folder: Path, body: Description) -> None:
    """Say in a settings folder what it stands for."""
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / PARAMS) as temporary:
        json_files.write(temporary, body)


def others(
    runs: Path, *, configuration: str, present: str, now: Description, n_folds: int | None = None
) -> Iterator[OtherSettings]:
    """A configuration's settings, other than ``present``, that have finished runs; ``now``: those of the table.

    With folds a seed counts once all its folds are finished.
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
    """(seed, scores) of the finished runs of a settings folder, in the seeds' order; those of folds pooled."""
    # params.json lies beside the seeds. By number: as text 10 comes before 9.
    for run in sorted((path for path in settings.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)):
        parts = [run] if n_folds is None else [run / str(fold) for fold in range(1, n_folds + 1)]
        if all((part / METRICS).is_file() for part in parts):
            metrics = list(map(metrics_file.read, parts))
            yield int(run.name), metrics[0] if n_folds is None else pool_metrics(metrics)


def _differs(then: Description, now: Description) -> list[str]:
    """``train.epochs 1 (now 2)`` for each thing that differs; of features the parameters, where those say it.

    Without shards there is nothing to be made from now: then the features alone are looked at.
    """
    before, after = then.feature_parameters(), now.feature_parameters()
    if then.fingerprint and now.fingerprint:
        # Other parameters of features give other shards: their digests would say the same again, and less clearly.
        entries = Fingerprint.to_json if before == after else Fingerprint.without_shards
        before, after = before | entries(then.fingerprint), after | entries(now.fingerprint)
    differing = [
        f"{name} {short(before.get(name))} (now {short(after.get(name))})"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return differing or ["its features are not built"]

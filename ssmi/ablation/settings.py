"""The settings that an ablation's runs were made with: a folder for each, named by a digest of what makes the runs.

``runs/CONFIGURATION/SETTINGS/SEED`` is a run folder; ``params.json`` beside the seeds says what SETTINGS stands for.
So a call with other parameters takes no finished run away, and one with the first parameters finds its runs again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssmi.ablation.pooling import pool_metrics
from ssmi.ablation.table import FOLDS, SPLITS, OtherSettings
from ssmi.model.runs import metrics_file
from ssmi.model.runs.files import METRICS
from ssmi.model.runs.fingerprint import settings_of, short
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.tables import writing

PARAMS = "params.json"
_LENGTH = 8
_SHARDS = ("shards", "the shards' encoder")
_NOT_FEATURES = ("datasets", "model", "train")
"""Parts of params.yaml that shards do not depend on."""

Json = dict[str, Any]


def name_of(fingerprint: Mapping[str, Any]) -> str:
    """The name of the folder of all runs that differ in the seed alone."""
    return digest_json(settings_of(fingerprint))[:_LENGTH]


def describe(params: Params, fingerprint: Mapping[str, Any]) -> Json:
    """What params.json holds: what the runs are made from, and the parameters of the features in their shards."""
    features = params.model_dump(mode="json", exclude=set(_NOT_FEATURES))
    return {"fingerprint": settings_of(fingerprint), "features": features}


def write(folder: Path, body: Json) -> None:
    """Say in a settings folder what it stands for."""
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / PARAMS) as temporary:
        temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def others(
    runs: Path, *, configuration: str, present: str, now: Json, n_folds: int | None = None
) -> Iterator[OtherSettings]:
    """A configuration's settings, other than ``present``, that have finished runs; ``now``: as ``describe`` says it.

    With folds a seed counts once all its folds are finished.
    """
    for path in sorted((runs / configuration).glob(f"*/{PARAMS}")):
        if path.parent.name == present:
            continue
        metrics = dict(_finished(path.parent, n_folds=n_folds))
        try:
            then: Json = json.loads(path.read_text(encoding="utf-8"))
            differs = _differs(then, now)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            differs = [f"{PARAMS} cannot be read"]
        if metrics:
            splits = [split for split in SPLITS if all(split in of_run for of_run in metrics.values())]
            f1 = {split: statistics.fmean(of_run[split]["f1"] for of_run in metrics.values()) for split in splits}
            yield OtherSettings(configuration, path.parent.name, differs, list(metrics), f1)


def _finished(settings: Path, *, n_folds: int | None) -> Iterator[tuple[int, Json]]:
    """(seed, metrics.json) of the finished runs of a settings folder, in the seeds' order; of folds pooled."""
    for run in sorted((path for path in settings.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)):
        folds = [run / str(fold) for fold in range(1, (n_folds or 0) + 1)]
        if not all((part / METRICS).is_file() for part in folds or [run]):
            continue
        yield (
            int(run.name),
            {FOLDS: pool_metrics(list(map(metrics_file.read, folds)))} if folds else metrics_file.read(run),
        )


def _differs(then: Json, now: Json) -> list[str]:
    """``train.epochs 1 (now 2)`` for each thing that differs; of features the parameters, where those say it.

    Without shards there is nothing to be made from now: then the features alone are looked at.
    """
    features = [
        {f"{section}.{key}": value for section, values in side["features"].items() for key, value in values.items()}
        for side in (then, now)
    ]
    sides = [dict(side["fingerprint"]) if now["fingerprint"] else {} for side in (then, now)]
    if features[0] != features[1]:
        for side in sides:
            for name in _SHARDS:
                side.pop(name, None)
    before, after = ({**feature, **side} for feature, side in zip(features, sides, strict=True))
    differing = [
        f"{name} {short(before.get(name))} (now {short(after.get(name))})"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return differing or ["its features are not built"]

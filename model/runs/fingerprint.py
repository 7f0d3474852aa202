"""What a run is made from: two runs with the same fingerprint have the same scores, but for rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssmi.model import hardware, learning_rates
from ssmi.model.data.shards import Shards
from ssmi.model.runs.revision import REVISION
from ssmi.pipeline.contract.parameters.params import Params

_SECTIONS: Mapping[str, frozenset[str]] = {
    "encoder": frozenset(),
    "model": frozenset(),
    "train": frozenset({"device", "threads"}),
}
"""Sections of params.yaml that make a run, and their keys that do not. Those of features are in the shards' digest."""
_LATER: Mapping[str, Any] = {"train.select": "best", "train.folds": None, "train.fold": None}
"""Parameters that came after version 0.2, and the values with which a run is what it was before: left out with these,
so that the runs of then are still known."""


def fingerprint_of(params: Params, *, shards: Shards) -> dict[str, Any]:
    """What a run of these parameters on these shards is made from.

    Args:
        params: Of the run.
        shards: What it is trained on.

    Returns:
        ``section.key`` → value, with the numbers that ``auto`` comes to on this machine and for this encoder; the
        digests of the shards and of their encoder; the revision of the code.

    """
    resolved = learning_rates.resolve(params, encoder_width=shards.statistics.encoder_width)
    values = {
        f"{section}.{key}": value
        for section, free in _SECTIONS.items()
        for key, value in resolved.section(section).items()
        if key not in free and not _as_before(f"{section}.{key}", value)
    }
    precision = hardware.precision(hardware.choose_device(params.train.device), params.train.precision)
    return {
        **values,
        "train.precision": precision,
        "shards": shards.digest,
        "the shards' encoder": shards.statistics.encoder_digest,
        "the revision of the network's code": REVISION,
    }


def _as_before(name: str, value: Any) -> bool:
    return name in _LATER and _LATER[name] == value


SEED = "train.seed"
FOLD = "train.fold"
"""With the seed the only things in which the runs of one setting differ."""


def settings_of(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """A fingerprint without seed and fold: what all runs of one setting are made from."""
    return {name: value for name, value in fingerprint.items() if name not in (SEED, FOLD)}


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, run: str) -> list[str]:
    """A line for each entry that is not the same now as it was; ``run`` names the run of then."""
    return [
        f"{name} is {short(then.get(name))} in {run}, {short(now.get(name))} now"
        for name in sorted(now.keys() | then.keys())
        if then.get(name) != now.get(name)
    ]


def short(value: Any) -> str:
    """A value as params.yaml has it, a digest's beginning."""
    if value is None:
        return "null"
    text = str(value)
    return text[:12] if len(text) == 64 else text
